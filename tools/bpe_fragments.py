"""What texts for byte-level BPE tokenizers are put together from; for tools/bpe_goldens.py."""

from __future__ import annotations

import random

WORDS = """the of and to in is was for it that he as on with his be at by had are but from or have an they which one you were her all she there
would their we him been has when who will more no if out so said what up its about into than them can only other new some could time these two may
then do first any my now such like our over me even most made after also did many before must through back years where much your way well
The of And IN Is Was FOR It HTTP JSON camelCase snake_case kebab-case tokenizer internationalisation antidisestablishmentarianism
abcabdacbd bcdabc aabbccdd dcbaabcd abababab cdcdcdcd badcab ddddaaaa touch tour toulouse thé""".split()

LANGUAGES = """Der schnelle braune Fuchs springt über den faulen Hund. Straße Größe Äpfel ẞ
Le cœur déçu mais l'âme plutôt naïve, Louÿs rêva de crapaüter en canoë. Où est le café ? Noël, ça va…
El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia y frío. ¿Qué? ¡Sí!
Quizdeltagerne spiste jordbær med fløde. Åse Ærø ñandú
Zażółć gęślą jaźń. Příliš žluťoučký kůň úpěl ďábelské ódy. Árvíztűrő tükörfúrógép
Съешь же ещё этих мягких французских булок да выпей чаю. Щерба Ёлка їжак
Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. Ἀρχιμήδης ἐν ἀρχῇ
כל הכתבים שָׁלוֹם עוֹלָם
نص حكيم له سر قاطع وذو شأن عظيم. مُحَمَّد ‏السلام عليكم‏
ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश। किताब़
আমার সোনার বাংলা। தமிழ் மொழி தெலుగు తెలుగు ಕನ್ನಡ മലയാളം සිංහල
เป็นมนุษย์สุดประเสริฐเลิศคุณค่า ສະບາຍດີ မြန်မာဘာသာ ភាសាខ្មែរ བོད་སྐད་
天地玄黃，宇宙洪荒。这张图片里有几个红色的圆？一二三四五六七八九十 龍龜 㐀㐁 𠀀𠀁 𪚥
いろはにほへと ちりぬるを。カタカナ　ﾊﾝｶｸ が が ー々〆 ㍿
키스의 고유조건은 입술끼리 만나야 한다. 각 각 한글
Tiếng Việt: Nguyễn Tiếng Việt ớ ờ ợ ắ ằ İstanbul ığüşöç ŉ ǆ ǅ Ǆ ﬁ ﬂ ſs ſt
ქართული ენა Ქართული հայերեն Ձեռք አማርኛ ᏣᎳᎩ ᐃᓄᒃᑎᑐᑦ 𐐷𐐔 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟘𝟙𝟚 ⅷ Ⅷ ½ ² ① ㊿ ٣٤٥ ३४५ 𞥐𞥑 一""".splitlines()

CODE = [
    "def f(x: int) -> str:\n    return f'{x!r:>10}'\n", "for (int i = 0; i < n; ++i) {\n\t\tsum += a[i] * b[i];\n\t}\n", "#include <cstdint>\r\n",
    "std::vector<std::pair<int, float>> v{{1, 2.0f}};", "SELECT * FROM t WHERE a <> 'b' AND c >= 10;\n", "<div class=\"x\">&nbsp;</div>",
    "https://example.org/a/b?c=d&e=%20#f", "/usr/share/doc/*.md", "C:\\Windows\\System32\\", "$x = @{ 'a' => [1..9] };", "a+=b--c;//d", "0x1F_FFULL", "1e-9",
    "\\begin{equation} \\frac{a}{b} \\end{equation}", "{\"a\":[null,true,1.5e3]}", "```python\nprint('hi')\n```", "---\n- [ ] item\n  * sub\n", "=> -> <- == != <= >= && || ?? ::",
    "################", "----------------", "________________", "....................", "!!!???", "(((())))", "[[]]{}", "a.b.c.d", "x^2+y^2", "~/.bashrc", "__init__", "../../..", "......",
]

CONTRACTIONS = ["I'm", "you're", "he's", "we've", "they'll", "I'd", "don't", "I'M", "YOU'RE", "HE'S", "WE'VE", "THEY'LL", "I'D", "DON'T", "it\u2019s", "'sup", "''s", "o'clock",
                "rock'n'roll", "'\u017f", "'\u212a", "l'\u017fe", "'", "'ll've", "s'", "'re'", "'T", "'veal", "'dad", "ma'am", "Ma'Am'LL"]

NUMBERS = ["0", "7", "42", "123", "1234", "12345", "1234567890", "3.14159", "1,000,000", "-17", "+3", "1/2", "2024-11-23T15:32:08Z", "192.168.0.1", "50%", "$9.99", "No.5",
           "x86_64", "i18n", "007", "00000000", "1 2 3", "9 99 999 9999", "٣٤٥", "Ⅻ", "1st2nd", "½¼", "10⁻⁹", "²³", "12３４", "1٢३4"]

SPACES = [" ", "  ", "   ", "    ", "        ", " " * 17, "\n", "\n\n", "\n\n\n", "\r\n", "\r\n\r\n", "\r", "\t", "\t\t", " \t ", " \n", "\n ", " \n \n ", "\t\n", "   \n", "\n   ",
          "\u00a0", "\u2003", "\u3000", "\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\u180e", "\u200b", "\u200c", "\u200d", "\ufeff", "\x1c", "\x1f", "\x00", "\x7f", " \u00a0 ",
          "\u1680", "\u202f", "\u205f", " a", "a ", " a ", "\na", "a\n", " .", ". ", " 1", "1 ", "\u3000a", "\u00a0a", "\u2028a"]

EMOJI = ["😀", "👍🏽", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪🇫🇷", "1️⃣", "❤️", "☃", "🎉🎊", "🧑‍🚀", "©®™", "→←↑↓", "★☆", "♠♥", "𝄞", "🀄", "🫠", "🪿", "\U0001fae9", "░▒▓", "┌─┐", "•", "–", "—", "…", "“”", "‘’", "«»", "€£¥", "′″", "∑∫√∞≠",
         "⠓⠑⠇⠇⠕", "\ue000", "\U000f0000", "\ufffd", "\ufffe", "\U0010ffff", "\u0301", "e\u0301", "a\u030a", "o\u0302\u0301", "\u1100\u1161\u11a8", "\u0344", "\u2126", "\u212b", "q\u0323\u0307", "q\u0307\u0323",
         "\u0958", "\ufb1d", "\u2adc", "\U0001d15e", "\uac00\u11a8", "\u09c7\u09be", "\u1e9b\u0323", "cafe\u0301", "café", "\u00e9e"]

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|im_start|>user\n", "<|im_end|>\n", "<|im_", "im_end|>", "<|im_<|im_end|>", " <|im_end|> ", "\n<|im_end|>\n", "<|im_end", "<|endoftext|",
            "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|end_of_text|>", "<tool_call>", "</tool_call>", "<|EOT|>", "<｜begin▁of▁sentence｜>", "<|end|>",
            "  <|end|>  ", "<l>", "  <l>", "<l>  ", "\t<l>\n", "<r>", "  <r>  ", "<lr>", " <lr> ", "\u3000<lr>\u00a0", "\x1c<lr>\x1c", "<l><r>", "<r>  <l>", "the", "then", "the_", "(the)", "is", " is ",
            "this", "is_", "\u00e9is", "is\u0301", "\u24d0is", "é", "ée", "e\u0301e", "\u00e9\u0301", "<unk>", "<0x41>", "<s>", "</s>", "[INST]", "<|", "|>", "<", ">", "|", "<<", ">>"]

BROKEN = [b"\xff", b"\xfe\xff", b"\x80", b"\xc3", b"\xc3\x28", b"\xc0\x80", b"\xc1\xbf", b"\xe2\x82", b"\xe2\x28\xa1", b"\xe0\x80\x80", b"\xe0\x9f\xbf", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf0\x9f\x98", b"\xf0\x9f",
          b"\xf0\x8f\xbf\xbf", b"\xf0\x28\x8c\x28", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xe4\xb8\xe4\xb8\xad", b"a\xf0\x9f\x90b", b"ok\x80<|im_end|>\xfe", b"\xbf\xbf", b"\xf1\x80\x80", b"\xe1\x80"]

# Assigned in Unicode 15 and 16, or in none.
NEW = ["\u1c89\u1c8a", "\ua7cb\ua7da\ua7dc", "\U00010d40\U00010d41", "\U00010d50\U00010d70", "\U000105c0\U000105c1", "\U000113d1\U000113e1", "\U00011bc0\U00011bf0", "\U00011f04\U00011f50\U00011f03",
       "\U00013460", "\U00016d40\U00016d70\U00016d6d", "\U0001ccf0\U0001cc00", "\U0001e4d0\U0001e4f0\U0001e4ec", "\U0001e5d0\U0001e5f1\U0001e5ff", "\U00031350\U0002ebf0", "\u0897", "\u2427", "\u31ef", "\U0001fa89", "\u0378", "\U00032000", "\U000e0100"]


def random_characters(count: int) -> list[str]:
    """A character or three of one place in Unicode, with ASCII before or behind it."""
    rng = random.Random(16)
    out = []
    while len(out) < count:
        high = rng.choice([0x250, 0x600, 0x1100, 0x2100, 0x3200, 0xA000, 0x10000, 0x11000, 0x1D000, 0x1F000, 0x20000])
        start = rng.randrange(high, high + rng.choice([0x80, 0x400, 0x1000]))
        text = "".join(chr(c) for c in range(start, start + rng.randint(1, 3)) if not 0xD800 <= c < 0xE000)
        if text:
            out.append(rng.choice(["", " ", "a", "1", "A"]) + text + rng.choice(["", "", "b", "'s", "\n"]))
    return out


def _fragments() -> list[bytes]:
    texts = WORDS + [" " + word for word in WORDS] + [line[i : i + 9] for line in LANGUAGES for i in range(0, len(line), 7)]
    texts += CODE * 2 + CONTRACTIONS * 2 + NUMBERS * 2 + SPACES * 3 + EMOJI + SPECIALS * 2 + NEW + random_characters(180)
    return [text.encode() for text in texts] + BROKEN * 2


FRAGMENTS = _fragments()
TRAINING = [" ".join(WORDS)] * 3 + LANGUAGES + ["".join(CODE), " ".join(CONTRACTIONS), " ".join(NUMBERS), "".join(SPACES), "".join(EMOJI)]
