"""A headless Chromium at the page, for the tests beside this file.

The server is the mock, or with TESSERA_PAGE_URL (and TESSERA_PAGE_KEY) one that runs already; tests that
need the mock's scripted answers are then skipped.
"""

import os
import struct
import threading
import time
import unittest
import zlib
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from mock_server import MockServer

URL = os.environ.get("TESSERA_PAGE_URL", "").rstrip("/")
KEY = os.environ.get("TESSERA_PAGE_KEY", "")
BUILD = Path(os.environ.get("TESSERA_PAGE_BUILD", Path(__file__).resolve().parents[3] / "build"))
SHOTS = BUILD / "page-screenshots"
WAIT_S = 60 if URL else 10  # a model on a busy machine takes its time
needs_mock = unittest.skipIf(URL, "needs the mock's scripted answers")


def png(width: int, height: int, rgb=(200, 120, 40)) -> bytes:
    """A picture of one colour."""
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = (b"\0" + bytes(rgb) * width) * height
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def start_chromium() -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--disable-gpu", "--hide-scrollbars", "--lang=en",
                     "--disable-dev-shm-usage", "--window-size=1440,900"):
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # its sandbox does not start as root
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = os.environ.get("CHROMEDRIVER", "/usr/bin/chromedriver")
    return webdriver.Chrome(options=options, service=Service(driver))


class PageCase(unittest.TestCase):
    """One browser for all tests, ended by run_tests.py; each begins with a page that remembers nothing."""

    driver: webdriver.Chrome = None
    server: MockServer = None
    expected_errors = 0  # lines of the console that a test provokes, such as a 429

    @classmethod
    def setUpClass(cls):
        if PageCase.driver is None:
            PageCase.driver = start_chromium()
            if not URL:
                PageCase.server = MockServer(token_ms=8)
                threading.Thread(target=PageCase.server.serve_forever, daemon=True).start()

    def setUp(self):
        self.base = URL or f"http://127.0.0.1:{self.server.server_port}"
        self.size(1440, 900)
        self.emulate("light", "reduce")  # drawn without a GPU, motion takes half of the time
        self.open()

    def tearDown(self):
        lines = [line for line in self.driver.get_log("browser")
                 if line["level"] == "SEVERE" and "favicon.ico" not in line["message"]]
        result = self._outcome.result
        if all(case is not self for case, _ in result.failures + result.errors):
            self.assertLessEqual(len(lines), self.expected_errors, lines)
        else:
            self.shot(f"failed-{self.id().split('.')[-1]}")

    # ---------------------------------------------------------------- the browser

    def open(self, base: str = "", key: str = KEY) -> None:
        base = base or self.base
        if not self.driver.current_url.startswith(base):
            self.driver.get(f"{base}/page/icon.svg")  # same place, no scripts
        self.js("localStorage.clear(); sessionStorage.clear();"
                "if (arguments[0]) sessionStorage.setItem('tessera.key', arguments[0])", key)
        self.driver.get(f"{base}/")
        self.until(lambda: self.js("return document.activeElement?.id === 'question'"), "the page to be ready")

    def js(self, script: str, *arguments):
        return self.driver.execute_script(script, *arguments)

    def cdp(self, command: str, **parameters):
        return self.driver.execute_cdp_cmd(command, parameters)

    def size(self, width: int, height: int, mobile: bool = False) -> None:
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)

    def emulate(self, scheme: str = "light", motion: str = "no-preference") -> None:
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme},
                                                         {"name": "prefers-reduced-motion", "value": motion}])

    def shot(self, name: str) -> None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(SHOTS / f"{name}.png"))

    def find(self, selector: str):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        return self.js("return document.querySelector(arguments[0])?.textContent ?? ''", selector)

    def until(self, condition, what: str, seconds: float = WAIT_S):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := condition():
                return value
            time.sleep(0.03)
        self.fail(f"waited {seconds} s for {what}")

    def keys(self, *keys: str) -> None:
        """To whatever has the focus, as a keyboard would."""
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    # ---------------------------------------------------------------- the chat

    def ask(self, question: str) -> None:
        self.find("#question").send_keys(question + Keys.ENTER)

    def answer(self) -> str:
        return self.js("return [...document.querySelectorAll('.answer .markdown')].at(-1)?.textContent ?? ''")

    def answered(self) -> str:
        self.until(lambda: self.js("return document.querySelector('.answer:last-child') !== null && "
                                   "document.querySelector('.answer.growing') === null"), "the answer's end")
        return self.answer()

    def pick(self, path: Path) -> None:
        before = len(self.all("#tray li"))
        self.find("#file").send_keys(str(path))
        self.until(lambda: len(self.all("#tray li")) > before, "the picture in the tray")
