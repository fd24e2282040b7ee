"""For everyone: by keyboard alone, on a phone, in both colours and languages, with a screen reader, without
motion."""

import re

from selenium.webdriver.common.keys import Keys

from browser import PageCase, needs_mock

# Contrast of every text that is seen, by WCAG 2: against the colours behind it, laid over one another.
CONTRAST = """
const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
const rgba = (color) => {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = color;
  canvas.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
  return [r, g, b, a / 255];
};
const over = ([r, g, b, a], under) => [r, g, b].map((v, i) => v * a + under[i] * (1 - a));
const light = (rgb) => rgb.map((v) => v / 255).map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
const behind = (node) => {
  const layers = [];
  for (let n = node; n; n = n.parentElement) layers.unshift(rgba(getComputedStyle(n).backgroundColor));
  return layers.reduce((under, layer) => over(layer, under), [255, 255, 255]);
};
const poor = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || !node.checkVisibility({checkOpacity: true, checkVisibilityCSS: true}) ||
      node.closest('.unseen, .skip, :disabled, svg, script, option, #drop-sign')) continue;
  const style = getComputedStyle(node);
  const ground = behind(node);
  const [a, b] = [light(over(rgba(style.color), ground)), light(ground)].sort((x, y) => y - x);
  const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.7 && style.fontWeight >= 700);
  const contrast = (a + .05) / (b + .05);
  if (contrast < (large ? 3 : 4.5)) poor.push([node.textContent.slice(0, 40), contrast.toFixed(2)]);
}
return poor;
"""

STRUCTURE = """
const wrong = [];
const ids = [...document.querySelectorAll('[id]')].map((n) => n.id);
for (const id of new Set(ids)) if (ids.filter((other) => other === id).length > 1) wrong.push(`id twice: ${id}`);
for (const n of document.querySelectorAll('*'))
  for (const name of ['aria-labelledby', 'aria-describedby', 'for'])
    for (const id of (n.getAttribute(name) ?? '').split(' '))
      if (id && !ids.includes(id)) wrong.push(`${name}: no ${id}`);
for (const n of document.querySelectorAll('[tabindex]')) if (n.tabIndex > 0) wrong.push('tabindex above 0');
for (const n of document.querySelectorAll('img:not([alt])')) wrong.push('img without alt');
for (const n of document.querySelectorAll('[aria-hidden=true]'))
  if (n.querySelector('a, button, input, textarea, select, [tabindex]')) wrong.push('a control that is hidden');
let level = 0;
for (const n of [...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].filter((n) => n.checkVisibility())) {
  const next = Number(n.localName[1]);
  if (level && next > level + 1 && !n.closest('.markdown')) wrong.push(`h${level}, then h${next}: ${n.textContent}`);
  level = next;
}
if (document.querySelectorAll('main').length !== 1) wrong.push('not one main');
if (!document.documentElement.lang || !document.title) wrong.push('no lang or title');
return wrong;
"""

# Places outside of the window, but for what scrolls in a box of its own.
TOO_WIDE = """
return [...document.querySelectorAll('body *')].filter((n) => {
  if (!n.checkVisibility() || n.closest('.unseen, .skip, pre, .table, svg')) return false;
  const box = n.getBoundingClientRect();
  return box.width > 0 && (box.right > innerWidth + 1 || box.left < -1);
}).map((n) => n.outerHTML.slice(0, 90)).concat(
    [...document.querySelectorAll('html, #scroller, #machine, dialog')].filter(
        (n) => n.scrollWidth > n.clientWidth + 1).map((n) => `${n.localName} ${n.id} scrolls sideways`));
"""

NAMED_ROLES = {"button", "textbox", "combobox", "link", "image", "spinbutton", "checkbox", "dialog", "region", "navigation"}


class Looks(PageCase):
    def focused(self) -> str:
        return self.js("const n = document.activeElement; return n.id || n.className || n.localName")

    def check_accessible(self, where: str):
        self.assertEqual(self.js(STRUCTURE), [], where)
        self.assertEqual(self.js(CONTRAST), [], where)
        nodes = self.cdp("Accessibility.getFullAXTree")["nodes"]  # what a screen reader is told
        nameless = [node["role"]["value"] for node in nodes if not node.get("ignored") and
                    node.get("role", {}).get("value") in NAMED_ROLES and not node.get("name", {}).get("value")]
        self.assertEqual(nameless, [], where)

    @needs_mock
    def test_accessible_in_both_colours(self):
        self.ask("Describe it")
        self.answered()
        self.find("#new-chat").is_enabled()
        for scheme in ("light", "dark"):
            self.emulate(scheme)
            self.until(lambda: float(self.find(".lane").get_attribute("data-busy") or 0) > 0, "work")
            self.check_accessible(f"both, {scheme}")
            self.shot(f"both-{scheme}")
            self.find("#open-settings").click()
            self.check_accessible(f"settings, {scheme}")
            self.shot(f"settings-{scheme}")
            self.find("#settings-close").click()
            self.find("#view-machine").click()
            self.find("#explain summary").click()
            self.check_accessible(f"machine, {scheme}")
            self.shot(f"machine-{scheme}")
            self.find("#explain summary").click()
            self.find("#view-both").click()

    def test_colours_follow_the_system_and_the_button(self):
        ground = lambda: self.js("return getComputedStyle(document.body).backgroundColor")
        light = ground()
        self.emulate("dark")
        dark = ground()
        self.assertNotEqual(light, dark)
        button = self.find("#theme")
        self.assertEqual(button.get_attribute("aria-label"), "Use light colours")
        button.click()
        self.assertEqual(ground(), light)
        self.driver.refresh()
        self.assertEqual(ground(), light)  # before any module has run
        self.emulate("light")
        self.find("#theme").click()
        self.assertEqual(ground(), dark)

    @needs_mock
    def test_keyboard_alone(self):
        self.keys("describe", Keys.ENTER)
        self.answered()
        self.assertEqual(self.focused(), "question")
        self.keys(Keys.SHIFT + Keys.ENTER)
        self.js("document.activeElement.blur()")
        seen = []
        for _ in range(40):  # once around
            self.keys(Keys.TAB)
            seen.append(self.focused())
            if seen.count(seen[0]) > 1:
                break
        for id in ("view-machine", "theme", "open-settings", "pick", "question", "motion-slow", "new-chat", "quiet again"):
            self.assertIn(id, seen)
        self.assertEqual(seen[seen.index("body") + 1], "skip")  # the first on the page
        # What has the focus shows it.
        self.find("#theme").send_keys("")
        self.js("document.getElementById('theme').focus()")
        self.keys(Keys.TAB)
        self.assertNotEqual(self.js("return getComputedStyle(document.activeElement).outlineStyle"), "none")
        self.assertEqual(self.focused(), "open-settings")
        self.keys(Keys.ENTER)
        self.assertTrue(self.js("return document.getElementById('settings').open"))
        self.keys(Keys.ESCAPE)
        self.assertEqual(self.focused(), "open-settings")
        self.js("document.getElementById('question').focus()")
        self.keys("a long one", Keys.ENTER)
        self.until(lambda: len(self.all(".answer")) == 2 and len(self.answer()) > 4, "the first words")
        self.keys(Keys.ESCAPE)
        self.until(lambda: self.text(".answer:last-child .note") == "Stopped", "the stop")
        again = self.find(".answer:last-child .again")
        self.js("arguments[0].focus()", again)
        self.keys(Keys.SPACE)
        self.until(lambda: self.all(".answer.growing"), "another answer")
        self.keys(Keys.ESCAPE)

    @needs_mock
    def test_a_screen_reader_hears_sentences(self):
        self.ask("describe")
        self.answered()
        heard = [node.get_attribute("textContent") for node in self.all("#announcer p")]
        self.assertEqual(heard[-1], "Answer finished")
        self.assertLessEqual(len(heard), 4)
        self.assertIn("The light comes from the left", " ".join(heard))
        live = self.js("return [...document.querySelectorAll('[aria-live], [role=log], [role=alert], [role=status]')]"
                       ".map((n) => n.id)")
        self.assertEqual(sorted(live), ["announcer", "machine-state", "notice"])

    @needs_mock
    def test_phone(self):
        self.size(360, 740, mobile=True)
        self.emulate()
        self.ask("Describe it")
        self.answered()
        self.assertEqual(self.js(TOO_WIDE), [])
        self.assertFalse(self.find("#view-both").is_displayed())
        self.shot("phone-chat")
        small = self.js("return [...document.querySelectorAll('button, input, textarea, select')].filter("
                        "(n) => n.checkVisibility() && (n.offsetWidth < 24 || n.offsetHeight < 24)).map((n) => n.id)")
        self.assertEqual(small, [])
        self.assertTrue(self.js("return document.getElementById('question').getBoundingClientRect().bottom <= innerHeight"))
        self.find("#open-settings").click()
        self.assertEqual(self.js(TOO_WIDE), [])
        self.shot("phone-settings")
        self.find("#settings-close").click()
        self.find("#view-machine").click()
        self.until(lambda: float(self.find(".lane").get_attribute("data-busy") or 0) > 0, "work")
        self.assertEqual(self.js(TOO_WIDE), [])
        self.shot("phone-machine")
        self.find("#explain summary").click()
        self.assertEqual(self.js(TOO_WIDE), [])
        self.shot("phone-explained")

    @needs_mock
    def test_chinese(self):
        self.find("#open-settings").click()
        self.js("const s = document.getElementById('set-language'); s.value = 'zh';"
                "s.dispatchEvent(new Event('change'))")
        self.find("#settings-close").click()
        self.ask("描述")
        self.answered()
        self.find("#explain summary").click()
        self.until(lambda: "第 1 段" in self.text(".lane h3"), "the lanes in Chinese")
        self.assertEqual(self.js("return document.documentElement.lang"), "zh-CN")
        english = {"Tessera", "English", "Top-p", "Yi-VL-34B", "Describe this picture in English."}
        words = self.js("return [...document.querySelectorAll('[data-t]')].map((n) => n.textContent)")
        self.assertEqual([word for word in words if re.search("[A-Za-z]{4}", word) and word not in english and
                          "Shift" not in word], [])
        self.shot("chinese")

    def test_both_languages_have_the_same_words(self):
        missing = self.driver.execute_async_script("""
            const done = arguments[0];
            import('/page/words.js').then(({chooseLanguage, t, allWords}) => {
              const wrong = [];
              const figures = (text) => (text.match(/\\{\\w+\\}/g) ?? []).sort().join();
              const {en, zh} = allWords;
              for (const name of new Set([...Object.keys(en), ...Object.keys(zh)]))
                if (!(name in en) || !(name in zh) || figures(en[name]) !== figures(zh[name])) wrong.push(name);
              done(wrong);
            });""")
        self.assertEqual(missing, [])

    @needs_mock
    def test_without_motion(self):
        self.emulate(motion="reduce")
        self.open()
        self.until(lambda: self.all(".capsule"), "micro-batches")
        self.assertEqual(self.find("#motion-live").get_attribute("aria-pressed"), "true")
        self.ask("a long one")
        self.until(lambda: self.all(".answer.growing"), "an answer")
        moving = self.js("return document.getAnimations().filter((a) => a.playState === 'running').length")
        self.assertEqual(moving, 0)
        self.find("#stop").click()
