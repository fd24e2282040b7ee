"""What the model says is text: nothing of it becomes markup, whatever it is."""

import random
import time

from browser import PageCase, needs_mock
from mock_answers import HOSTILE, SHOWCASE

# Everything that the renderer may make.
ALLOWED = {"a", "blockquote", "br", "button", "code", "del", "div", "em", "figcaption", "figure", "h3", "h4", "h5",
           "h6", "hr", "li", "ol", "p", "path", "pre", "span", "strong", "svg", "table", "tbody", "td", "th",
           "thead", "tr", "ul"}
ALLOWED_ATTRIBUTES = {"aria-hidden", "aria-label", "class", "d", "href", "rel", "role", "scope", "start", "tabindex",
                      "target", "title", "type", "viewBox"}

RENDER = """
const [source, done] = arguments;
import('/page/markdown.js').then(({MarkdownView}) => {
  const node = document.createElement('div');
  const began = performance.now();
  new MarkdownView(node).set(source);
  const ms = performance.now() - began;
  const nodes = [...node.querySelectorAll('*')];
  done({ms, text: node.textContent, tree: describe(node), tags: [...new Set(nodes.map((n) => n.localName))],
        attributes: [...new Set(nodes.flatMap((n) => n.getAttributeNames()))],
        links: [...node.querySelectorAll('a')].map((a) => [a.getAttribute('href'), a.rel, a.textContent])});
  function describe(parent) {
    return [...parent.childNodes].map((n) => n.nodeType === 3 ? n.data
        : n.localName === 'button' ? '' : `<${n.localName}>${describe(n)}</${n.localName}>`).join('');
  }
}, (error) => done({error: String(error)}));
"""


class Hostile(PageCase):
    def render(self, source: str) -> dict:
        result = self.driver.execute_async_script(RENDER, source)
        self.assertNotIn("error", result)
        self.assertLessEqual(set(result["tags"]), ALLOWED, source[:200])
        self.assertLessEqual(set(result["attributes"]), ALLOWED_ATTRIBUTES, source[:200])
        for address, rel, _ in result["links"]:
            self.assertRegex(address, r"^https?://")
            self.assertEqual(rel, "noopener noreferrer nofollow")
        return result

    def tree(self, source: str) -> str:
        return self.render(source)["tree"]

    def test_nothing_becomes_markup(self):
        result = self.render(HOSTILE)
        addresses = [address for address, _, _ in result["links"]]
        self.assertEqual(addresses, ["https://example.org/a_(b)?q=1&r=%22x%22", "https://example.org/pixel.png",
                                     "https://example.org/"])
        for words in ("<script>window.broken = 1</script>", "[a link](javascript:window.broken=3)",
                      '<img src=x onerror="window.broken = 2">', "<iframe src=", "&lt;script&gt;"):
            self.assertIn(words, result["text"])
        self.assertIsNone(self.js("return window.broken ?? null"))

    @needs_mock
    def test_nothing_becomes_markup_in_an_answer(self):
        self.ask("hostile <img src=x onerror='window.broken=20'>")
        self.answered()
        self.assertIsNone(self.js("return window.broken ?? null"))
        self.assertEqual(self.js("return document.querySelectorAll('.message :is(img, script, iframe, form, style, input,"
                                 " .markdown svg:not(.icon))').length"), 0)
        self.assertIn("onerror='window.broken=20'", self.text(".question .said"))
        self.shot("hostile")

    def test_markdown(self):
        for source, tree in (
            ("# A *b*\ntext", "<h3>A <em>b</em></h3><p>text</p>"),
            ("###### six ##", "<h6>six</h6>"),
            ("#no heading", "<p>#no heading</p>"),
            ("a **b *c* d** e", "<p>a <strong>b <em>c</em> d</strong> e</p>"),
            ("***both***", "<p><strong><em>both</em></strong></p>"),
            ("snake_case_name and _em_", "<p>snake_case_name and <em>em</em></p>"),
            ("2 * 3 * 4, 1~3, ~~gone~~", "<p>2 * 3 * 4, 1~3, <del>gone</del></p>"),
            ("**open", "<p>**open</p>"),
            ("**这是“重点”**的句子", "<p><strong>这是“重点”</strong>的句子</p>"),
            ("`a*b*` ``c`d``", "<p><code>a*b*</code> <code>c`d</code></p>"),
            (r"\*not\* \<b>", "<p>*not* <b></p>"),
            ("one\ntwo", "<p>one<br></br>two</p>"),
            ("- a\n- b\n  - c\n\nafter", "<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul><p>after</p>"),
            ("3. x\n4. y", "<ol><li>x</li><li>y</li></ol>"),
            ("* one\n* two", "<ul><li>one</li><li>two</li></ul>"),
            ("1. a\n\n   b\n2. c", "<ol><li><p>a</p><p>b</p></li><li><p>c</p></li></ol>"),
            ("- [x] done", "<ul><li><span>☑</span>done</li></ul>"),
            ("> a\n> > b", "<blockquote><p>a</p><blockquote><p>b</p></blockquote></blockquote>"),
            ("---", "<hr></hr>"),
            ("```py\nx = `1`\n\n# y\n```\nz", "<figure><figcaption><span>py</span></figcaption><pre><code>"
             "x = `1`\n\n# y</code></pre></figure><p>z</p>"),
            ("~~~\nopen", "<figure><figcaption><span></span></figcaption><pre><code>open</code></pre></figure>"),
            ("a|b\n-|-\n1|2", "<div><table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td>"
             "<td>2</td></tr></tbody></table></div>"),
            ("| a \\| b |\n|---|\n| c | d |", "<div><table><thead><tr><th>a | b</th></tr></thead><tbody><tr>"
             "<td>c</td></tr></tbody></table></div>"),
            ("[a *b*](https://e.org 't')", "<p><a>a <em>b</em></a></p>"),
            ("see https://e.org/x(y), or (http://f.org).", "<p>see <a>https://e.org/x(y)</a>, or (<a>http://f.org</a>).</p>"),
            ("看https://e.org/路径。然后", "<p>看<a>https://e.org/</a>路径。然后</p>"),
            ("<https://e.org>", "<p><a>https://e.org</a></p>"),
            ("", ""),
        ):
            with self.subTest(source):
                self.assertEqual(self.tree(source), tree)

    def test_pieces_make_the_same_as_the_whole(self):
        whole, pieces = self.driver.execute_async_script("""
            const [source, done] = arguments;
            import('/page/markdown.js').then(({MarkdownView}) => {
              const [a, b] = [document.createElement('div'), document.createElement('div')];
              new MarkdownView(a).set(source);
              const growing = new MarkdownView(b);
              for (let end = 0; end <= source.length; ++end) growing.set(source.slice(0, end));
              done([a.isEqualNode(b), b.childNodes.length]);
            });""", SHOWCASE + "\n" + HOSTILE)
        self.assertTrue(whole)
        self.assertGreater(pieces, 10)

    def test_takes_no_longer_than_the_text_is_long(self):
        n = 50000
        for source in ("*" * n, "*a " * n, "a* " * n, "[" * n, "[a](" * (n // 4), "`" * n, "> " * n, "- " * n,
                       "".join("`" * (i % 300) + " " for i in range(600)), "![" * (n // 2), "|" * n + "\n" + "-|" * n,
                       "http://" * (n // 7), "http://e.org/" + ")" * n, "<http://" * (n // 8), "\\" * n,
                       "#" * n, " " * n + "x", "1. " * n, "_a" * n, "(" * n, "[x](" + " " * n, "*_~" * n,
                       "\n".join("> " * i + "x" for i in range(300)), "\n".join(" " * i + "- x" for i in range(300)),
                       "**_" * n, "[x](https://e.org/" + "(" * n):
            with self.subTest(source[:12]):
                self.assertLess(self.render(source)["ms"], 2500)  # mostly 50 to 400

    def test_noise(self):
        random.seed(3)
        parts = ["*", "**", "_", "`", "```", "[", "](", ")", "!", "<", ">", "|", "-", "\n", "\n\n", "  ", "# ", "> ", "1. ",
                 "- ", "a", "字", "\\", "javascript:", "https://e.org", "<img src=x onerror=1>", "~~", "|-|", "\0", "\u202e"]
        end = time.monotonic() + 1.5
        for _ in range(300):
            source = "".join(random.choices(parts, k=60))
            text = self.render(source)["text"]
            self.assertLessEqual(len(text), 2 * len(source) + 20)
            if time.monotonic() > end:
                break
