#!/usr/bin/env python3
"""Runs the page's tests in one browser. See run.sh."""

import argparse
import os
import sys
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent


class TimedResult(unittest.TextTestResult):
    """Says how long each test took."""

    def startTest(self, test):
        self.began = time.monotonic()
        super().startTest(test)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.stream.writeln(f"    {time.monotonic() - self.began:.1f} s")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--url", default="", help="of a server that runs already; without: the mock")
    options.add_argument("--key", default="", help="that this server asks for")
    options.add_argument("tests", nargs="*", help="chat_test.Chat.test_stop; without: all")
    chosen = options.parse_args()
    os.environ["TESSERA_PAGE_URL"], os.environ["TESSERA_PAGE_KEY"] = chosen.url, chosen.key
    sys.path.insert(0, str(HERE))
    import browser
    loader = unittest.defaultTestLoader
    suite = (loader.loadTestsFromNames(chosen.tests) if chosen.tests
             else loader.discover(str(HERE), pattern="*_test.py"))
    began = time.monotonic()
    try:
        result = unittest.TextTestRunner(verbosity=2, resultclass=TimedResult).run(suite)
    finally:
        if browser.PageCase.driver:
            browser.PageCase.driver.quit()
    bad = len(result.failures) + len(result.errors)
    skipped = len(result.skipped)
    print(f"page: {result.testsRun - bad - skipped} passed, {bad} failed, {skipped} skipped "
          f"in {time.monotonic() - began:.0f} s; screenshots in {browser.SHOTS}")
    sys.exit(1 if bad or not result.testsRun else 0)


if __name__ == "__main__":
    main()
