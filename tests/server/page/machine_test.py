"""The live view: devices that move, figures that agree with what the server says, streams that open
and close."""

import json
import time
import urllib.request

from browser import KEY, PageCase, needs_mock


class Machine(PageCase):
    def get(self, path: str) -> dict:
        request = urllib.request.Request(self.base + path, headers={"Authorization": f"Bearer {KEY}"} if KEY else {})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def state(self) -> str:
        return self.find("#machine-state").get_attribute("data-state")

    def until_live(self):
        self.until(lambda: self.state() == "live", "the first events")

    def test_devices_as_planned(self):
        plan = self.get("/v1/plan")
        self.until(lambda: len(self.all(".lane")) == len(plan["stages"]) + len(plan["side_devices"]), "the lanes")
        for lane, stage in zip(self.all(".lane"), plan["stages"]):
            words = lane.text
            self.assertIn(stage["device_name"], words)
            self.assertIn(f"layers {stage['layers'][0]} to {stage['layers'][1]}", words)
            self.assertEqual("output head" in words, stage["head"])
            tiles = lane.find_elements("css selector", ".tile:not(.end)")
            self.assertEqual(len(tiles), stage["layers"][1] - stage["layers"][0] + 1)
            widths = dict(self.js("return [...arguments[0].querySelectorAll('.memory-bar i')]"
                                  ".map((part) => [part.className, Number(part.style.flexGrow)])", lane))
            sizes = stage["bytes"]
            for kind, size in (("weights", sizes["weights"]), ("kv", sizes["kv"]), ("arena", sizes["arena"])):
                self.assertAlmostEqual(widths[kind] / size, 1, 4)  # a style keeps six digits
            self.assertAlmostEqual(sum(widths.values()) / max(stage["budget_bytes"], sizes["total"]), 1, 4)

    def test_devices_move(self):
        self.emulate()
        self.until_live()
        question = "a long one" if self.server else "Count from one to one hundred."
        self.ask(question)
        self.find("#motion-live").click()
        seen, mixes, asked = set(), set(), 1

        def look():
            nonlocal asked
            if self.js("return document.querySelectorAll('.answer:not(.growing)').length") == asked:
                self.ask(question)  # answered before all was seen, on a fast machine
                asked += 1
            for stage, mix in self.js("return [...document.querySelectorAll('.capsule')]"
                                      ".map((capsule) => [capsule.dataset.stage, capsule.dataset.mix])"):
                seen.add(int(stage))
                mixes.add(mix)
            return len(seen) == len(self.all(".lane:not([data-stage='-1'])"))
        self.until(look, "micro-batches on every stage")
        self.until(lambda: all(float(lane.get_attribute("data-busy")) > 0 for lane in self.all(".lane")), "busy devices")
        self.until(lambda: float(self.text("#tokens-per-s").replace(",", "")) > 0, "tokens")
        if self.server:
            self.until(lambda: look() and {"prefill", "mixed"} & mixes and "decode" in mixes, "both kinds of work")
        self.find("#motion-slow").click()
        self.until(lambda: "slower than it is" in self.text("#motion-note"), "slow motion")
        places = {tuple(self.js("return [...document.querySelectorAll('.capsule')].map((c) => c.style.transform)"))
                  for _ in range(5) if time.sleep(0.1) is None}
        self.assertGreater(len(places), 1)
        self.shot("both-light")
        if self.server:  # a model's short answer is over
            self.find("#stop").click()

    @needs_mock
    def test_figures_are_the_servers(self):
        began, real = time.monotonic(), self.server.status
        first = real()
        self.addCleanup(lambda: setattr(self.server, "status", real))

        def status():  # as if each second brought the same
            s = time.monotonic() - began
            devices = [{**device, "busy_s": 5 + (0.25 + 0.25 * device["stage"]) * s, "rows": 7000 + 300 * s,
                        "planned_s": 4 + 0.4 * s, "measured_s": 4 + 0.5 * s} for device in first["devices"]]
            return {**first, "uptime_s": 3700 + s, "new_tokens": 1000 + int(120 * s), "prompt_tokens": 2000,
                    "cached_prompt_tokens": 500, "requests": 1234, "running": 17, "waiting": 3, "kv_blocks": 1000,
                    "kv_blocks_used": 250, "kv_blocks_cached": 150, "devices": devices}
        self.server.status = status
        self.open()
        number = lambda id: float(self.text(f"#{id}").replace(",", "").replace("–", "nan"))
        self.until(lambda: abs(number("tokens-per-s") - 120) < 6, "120 tokens/s")
        self.assertEqual([self.text(f"#{id}") for id in ("requests", "running", "waiting", "blocks-used-number",
                                                         "blocks-cached-number", "blocks-free-number", "cache-hits")],
                         ["1,234", "17", "3", "250", "150", "600", "25 %"])
        self.assertIn("1 h 1 min", self.text("#uptime"))
        widths = self.js("return ['used', 'cached', 'free'].map((part) => document.getElementById('blocks-' + part)"
                         ".style.width)")
        self.assertEqual(widths, ["25%", "15%", "60%"])
        for lane, busy in zip(self.all(".lane"), (0.25, 0.5, 0.75)):
            self.until(lambda: abs(float(lane.get_attribute("data-busy")) - busy) < 0.03, f"busy {busy}")
            self.assertIn("×1.25", lane.text)
            self.assertRegex(lane.text, r"(29\d|30\d)/s")

    @needs_mock
    def test_streams_are_opened_only_while_someone_looks(self):
        self.until(lambda: self.server.streams == 1, "one stream")
        self.find("#view-chat").click()
        self.until(lambda: self.server.streams == 0, "its end: the chat alone is shown")
        self.find("#view-machine").click()
        self.until(lambda: self.server.streams == 1, "a stream again")
        page = self.driver.current_window_handle
        self.js("Object.defineProperty(document, 'visibilityState', {get: () => window.seen ?? 'hidden', configurable: true});"
                "document.dispatchEvent(new Event('visibilitychange'))")
        self.until(lambda: self.server.streams == 0, "its end: the page is hidden")
        self.assertEqual(self.state(), "paused")
        self.js("window.seen = 'visible'; document.dispatchEvent(new Event('visibilitychange'))")
        self.until(lambda: self.server.streams == 1 and self.state() == "live", "a stream again")
        self.assertEqual(self.driver.current_window_handle, page)

    @needs_mock
    def test_a_broken_stream_is_opened_again(self):
        self.until_live()
        self.server.cut_streams += 1
        self.until(lambda: self.state() == "lost", "the loss to be told")
        self.until_live()

    @needs_mock
    def test_not_ready_is_told(self):
        self.until_live()
        status = self.server.status
        self.server.status = lambda: {**status(), "ready": False, "why_not": "stage 2: out of memory"}
        self.addCleanup(lambda: setattr(self.server, "status", status))
        self.until(lambda: self.text("#why-not") == "stage 2: out of memory", "the reason")
        self.assertEqual(self.text("#machine-state"), "not ready")
        self.server.status = status
        self.until(lambda: self.state() == "live" and self.text("#why-not") == "", "its end")

    @needs_mock
    def test_rates_fall_when_the_server_is_silent(self):
        self.until_live()
        self.find("#motion-live").click()
        self.until(lambda: float(self.text("#tokens-per-s").replace(",", "")) > 0, "tokens")
        self.server.silent = True
        self.addCleanup(lambda: setattr(self.server, "silent", False))
        self.until(lambda: self.text("#tokens-per-s") == "0" and self.text(".lane-figures strong") == "0 %", "rest")
        self.assertEqual(self.state(), "live")
        self.server.silent = False
        self.until(lambda: self.text("#tokens-per-s") != "0", "work again")

    def test_explanation(self):
        self.find("#view-machine").click()
        self.find("#explain summary").click()
        self.assertEqual(len(self.all(".chart")), 2)
        # In the second chart every device works in every slot from its first on.
        idle = self.js("return [...document.querySelectorAll('.chart')].map((c) => c.querySelectorAll('.idle').length)")
        self.assertEqual(idle, [24, 3])
        self.shot("machine-explained")
