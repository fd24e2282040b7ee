#!/usr/bin/env python3
"""Records docs/images/page.png: the page of a running `tessera serve` while others use it, too.

    build/release/src/cli/tessera serve --model-path models/demo --devices '3xcpu@40MiB{threads=1;speed=0.3}' --port 8080 &
    build/page-venv/bin/python tools/page_picture.py http://127.0.0.1:8080 docs/images/page.png

Needs Debian's chromium and chromium-driver, and the environment that tests/server/page/run.sh makes.
"""
import http.client
import json
import pathlib
import sys
import threading
import time
import urllib.parse

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.keys import Keys

url, out = sys.argv[1:]
place = urllib.parse.urlsplit(url)
done = threading.Event()


def keep_asking(number):
    body = {"messages": [{"role": "user", "content": f"{number} tell me a story " * (6 + number)}], "max_tokens": 150,
            "ignore_eos": True}
    while not done.is_set():
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
        connection.getresponse().read()
        connection.close()


others = [threading.Thread(target=keep_asking, args=(i,), daemon=True) for i in range(6)]
for other in others:
    other.start()

options = Options()
for argument in ("--headless=new", "--no-sandbox", "--window-size=1440,980"):
    options.add_argument(argument)
browser = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
browser.get(url)
time.sleep(4)
picture = pathlib.Path("models/demo/pictures/08.png").resolve()
browser.find_element("css selector", "input[type=file]").send_keys(str(picture))
time.sleep(2)
browser.find_element("css selector", "textarea").send_keys("What is in the picture?" + Keys.ENTER)
time.sleep(10)
browser.find_element("css selector", "#motion-slow").click()
time.sleep(3)
browser.save_screenshot(out)
done.set()
browser.quit()
