"""The chat: pictures, streaming, stopping, turns, errors."""

import base64
import tempfile
import threading
import time
from pathlib import Path

from selenium.webdriver.common.keys import Keys

from browser import PageCase, needs_mock, png
from mock_server import MockServer


class Chat(PageCase):
    def setUp(self):
        super().setUp()
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def picture(self, name: str, width: int, height: int) -> Path:
        path = Path(self.folder.name) / name
        path.write_bytes(png(width, height))
        return path

    def test_picture_and_streamed_answer(self):
        self.shot("welcome")
        self.pick(self.picture("red.png", 64, 48))
        self.find("#question").send_keys("What is in it?")
        self.shot("picture-picked")
        self.js("window.lengths = new Set(); new MutationObserver(() => lengths.add("
                "document.querySelector('.answer .markdown')?.textContent.length)).observe("
                "document.getElementById('messages'), {subtree: true, childList: true, characterData: true})")
        self.keys(Keys.ENTER)
        answer = self.answered()
        self.assertGreater(self.js("return lengths.size"), 3, "the answer came at once")
        shown = self.find(".question img")
        self.assertEqual((shown.get_property("naturalWidth"), shown.get_property("naturalHeight")), (64, 48))
        self.assertIn("tokens", self.text(".answer .figures"))
        self.assertEqual(len(self.all("#tray li")), 0)
        if self.server:
            self.assertEqual(answer, "I was given picture 1: image/png, 64 x 48.")
            body = self.server.requests[-1]
            self.assertEqual([part["type"] for part in body["messages"][0]["content"]], ["image_url", "text"])
            self.assertIs(body["stream"], True)
            self.assertIs(body["stream_options"]["include_usage"], True)

    @needs_mock
    def test_large_and_foreign_pictures_are_redrawn(self):
        self.pick(self.picture("wide.png", 5000, 20))
        self.assertEqual(self.text("#notice"), "wide.png: scaled from 5000 × 20 to 4096 × 16")
        bitmap = Path(self.folder.name) / "old.bmp"  # 2 x 1, 24 bits
        bitmap.write_bytes(b"BM" + (62).to_bytes(4, "little") + bytes(4) + (54).to_bytes(4, "little") +
                           (40).to_bytes(4, "little") + (2).to_bytes(4, "little") + (1).to_bytes(4, "little") +
                           b"\1\0\x18\0" + bytes(24) + b"\xff\0\0\0\xff\0\0\0")
        self.pick(bitmap)
        self.ask("What are they?")
        self.assertRegex(self.answered(), r"picture 1: image/jpeg, \d+ bytes; picture 2: image/jpeg, \d+ bytes")
        broken = Path(self.folder.name) / "broken.png"
        broken.write_bytes(png(8, 8)[:40])
        self.find("#file").send_keys(str(broken))
        self.until(lambda: "broken.png is not a picture" in self.text("#notice"), "the refusal")

    @needs_mock
    def test_drop_paste_and_remove(self):
        data = base64.b64encode(png(8, 8)).decode()
        for event, field, target in (("drop", "dataTransfer", "document.body"),
                                     ("paste", "clipboardData", "document.activeElement")):
            before = len(self.all("#tray li"))
            self.js(f"""const bytes = Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0));
                const transfer = new DataTransfer();
                transfer.items.add(new File([bytes], '{event}.png', {{type: 'image/png'}}));
                const event = new Event('{event}', {{bubbles: true, cancelable: true}});
                Object.defineProperty(event, '{field}', {{value: transfer}});
                {target}.dispatchEvent(event);""", data)
            self.until(lambda: len(self.all("#tray li")) == before + 1, f"what was given by {event}")
        self.find("#tray button").click()
        self.until(lambda: len(self.all("#tray li")) == 1, "one to be removed")
        self.assertEqual(self.find("#tray button").get_attribute("aria-label"), "Remove paste.png")

    def test_stop(self):
        if self.server:
            self.server.cancelled.clear()
        self.ask("Tell a long story, as long as you can." if self.server else "Count from one to one thousand.")
        self.until(lambda: len(self.answer()) > 4, "the first words")
        self.find("#stop").click()
        self.until(lambda: self.text(".answer .note") == "Stopped", "the note")
        length = len(self.answer())
        time.sleep(0.2)
        self.assertEqual(len(self.answer()), length)
        self.assertTrue(self.find("#send").is_displayed())
        if self.server:
            self.assertTrue(self.server.cancelled.wait(5), "the server was not told")

    @needs_mock
    def test_turns_again_and_new_chat(self):
        self.ask("turns one")
        self.assertEqual(self.answered(), "This is message 1.")
        self.ask("turns two")
        self.assertEqual(self.answered(), "This is message 3.")
        self.assertIn("576 of 700 prompt tokens from the cache", self.text(".answer:last-child .figures"))
        self.assertEqual([message["role"] for message in self.server.requests[-1]["messages"]],
                         ["user", "assistant", "user"])
        again = [button for button in self.all(".again") if button.is_displayed()]
        self.assertEqual(len(again), 1)  # only the last answer can be had again
        again[0].click()
        self.answered()
        self.assertEqual(len(self.server.requests[-1]["messages"]), 3)
        self.assertEqual(len(self.all(".answer")), 2)
        self.find("#new-chat").click()
        self.assertEqual(len(self.all(".message")), 0)
        self.ask("turns")
        self.assertEqual(self.answered(), "This is message 1.")

    @needs_mock
    def test_new_chat_while_answering(self):
        self.ask("a long one")
        self.until(lambda: len(self.answer()) > 4, "the first words")
        self.find("#new-chat").click()
        self.ask("turns")
        self.assertEqual(self.answered(), "This is message 1.")
        self.assertEqual(len(self.all(".message")), 2)

    @needs_mock
    def test_settings_reach_the_request(self):
        self.find("#open-settings").click()
        for name, value in (("temperature", "0.3"), ("max_tokens", "77"), ("seed", "5"), ("system", "Be brief.")):
            field = self.find(f"#set-{name}")
            field.clear()
            field.send_keys(value)
        self.shot("settings")
        self.find("#settings-close").click()
        self.ask("turns")
        self.answered()
        body = self.server.requests[-1]
        self.assertEqual({name: body.get(name) for name in ("temperature", "top_p", "max_tokens", "seed")},
                         {"temperature": 0.3, "top_p": 0.9, "max_tokens": 77, "seed": 5})
        self.assertEqual(body["messages"][0], {"role": "system", "content": "Be brief."})
        self.driver.refresh()
        self.until(lambda: self.find("#set-temperature").get_property("value") == "0.3", "what was remembered")
        self.find("#open-settings").click()
        self.find("#settings-defaults").click()
        self.find("#settings-close").click()
        self.ask("turns")
        self.answered()
        body = self.server.requests[-1]
        self.assertNotIn("seed", body)
        self.assertNotIn("max_tokens", body)
        self.assertEqual(body["messages"][0]["role"], "user")

    @needs_mock
    def test_busy_says_when_and_tries_again(self):
        self.expected_errors = 1
        if len(self.server.requests) % 2:  # the mock refuses each other one
            self.ask("turns")
            self.answered()
        self.ask("busy")
        self.until(lambda: self.all(".failure"), "the error")
        self.assertIn("64 requests wait already", self.text(".failure"))
        self.assertIn("It expects a free place in 2 s.", self.text(".failure"))
        self.shot("error-busy")
        self.until(lambda: self.text(".failure .wait") == "", "the countdown")
        self.find(".failure button").click()
        self.answered()
        self.assertEqual(len(self.all(".failure")), 0)

    @needs_mock
    def test_errors_are_told(self):
        self.expected_errors = 1
        self.ask("refuse")
        self.until(lambda: self.all(".failure"), "the error")
        for words in ("the prompt is too long", "at most 4096 tokens", "ask for less"):
            self.assertIn(words, self.text(".failure"))
        for question, words in (("break off", "stage 2 failed: out of memory"),
                                ("vanish", "The connection ended before the answer did.")):
            self.find("#new-chat").click()
            self.ask(question)
            self.until(lambda: self.all(".failure"), "the error")
            self.assertIn(words, self.text(".failure"))
            self.assertNotEqual(self.answer(), "")  # what was there already stays
        self.find("#new-chat").click()
        self.ask("limit")
        self.answered()
        self.assertEqual(self.text(".answer .note"), "Ended at the limit of tokens")

    @needs_mock
    def test_key(self):
        self.expected_errors = 6
        server = MockServer(key="a-key-of-this-test")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.shutdown)
        self.driver.get(f"http://127.0.0.1:{server.server_port}/")
        self.until(lambda: self.js("return document.activeElement?.id === 'set-key'"), "the field for the key")
        self.keys("a-key-of-this-test", Keys.TAB)
        self.until(lambda: self.text("#model") == "Yi-VL-34B", "the model's name")
        self.until(lambda: self.find("#machine-state").get_attribute("data-state") == "live", "events")
        self.find("#settings-close").click()
        self.ask("turns")
        self.assertEqual(self.answered(), "This is message 1.")
        self.assertEqual(self.js("return [sessionStorage.getItem('tessera.key'), JSON.stringify(localStorage)"
                                 ".includes('a-key')]"), ["a-key-of-this-test", False])

    @needs_mock
    def test_questions_without_an_answer_are_not_lost(self):
        self.ask("refuse turns")
        self.until(lambda: self.all(".failure"), "the error")
        self.expected_errors = 1
        self.ask("and turns")
        self.answered()
        self.assertEqual([(message["role"], message["content"]) for message in self.server.requests[-1]["messages"]],
                         [("user", "refuse turns\n\nand turns")])

    @needs_mock
    def test_a_model_that_reads_text_only(self):
        self.server.takes_pictures = False
        self.addCleanup(lambda: setattr(self.server, "takes_pictures", True))
        self.open()
        self.until(lambda: not self.find("#pick").is_displayed(), "the button to go")
        self.find("#file").send_keys(str(self.picture("red.png", 8, 8)))
        self.until(lambda: self.text("#notice") == "This model reads text only", "the refusal")
