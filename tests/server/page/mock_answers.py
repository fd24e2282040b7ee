"""What the mock server answers: a word in the question chooses."""

import base64
import struct

HOSTILE = """# <script>window.broken = 1</script>

<img src=x onerror="window.broken = 2"> <b>not bold</b> &lt;script&gt;

[a link](javascript:window.broken=3) [data](data:text/html,<script>window.broken=4</script>)
[fine](https://example.org/a_(b)?q=1&r="x") <javascript:window.broken=5> ![x](javascript:window.broken=6)
![tracker](https://example.org/pixel.png) [x](\tjavascript:window.broken=7) [y](JaVaScRiPt:window.broken=8)

```html
<script>window.broken = 9</script></code></pre><img src=x onerror="window.broken = 10">
```

| <img src=x onerror="window.broken = 11"> | **b** |
|---|:-:|
| <iframe src="javascript:window.broken=12"></iframe> | `<svg onload=window.broken=13>` |

> <style>body { display: none }</style>

1. <form action="https://example.org"><input name=a></form>
"""

SHOWCASE = """## What the picture shows

A **street market** in the early evening, seen from slightly above. Three things stand out:

1. A row of stalls under *striped awnings*, mostly fruit
2. A hand-written sign, `¥ 12 / 斤`
3. A cyclist waiting for a gap in the crowd

| stall | goods | people |
|:--|:--|--:|
| left | oranges, pears | 4 |
| middle | tea | 2 |
| right | fish | 7 |

> The light comes from the left, so it is probably west of the street.

```python
counts = {"left": 4, "middle": 2, "right": 7}
print(sum(counts.values()))  # 13
```

招牌上写着"**新鲜水果**"。More about such signs: [Unicode of the price sign](https://www.unicode.org/charts/).
"""

LONG = "The water runs on and on, and the sentence runs with it. "


def picture_text(url: str) -> str:
    """Proof that a picture arrived: its type and size."""
    head, _, data = url.partition(",")
    kind = head.removeprefix("data:").removesuffix(";base64")
    raw = base64.b64decode(data)
    if kind == "image/png":
        width, height = struct.unpack(">II", raw[16:24])
        return f"{kind}, {width} x {height}"
    return f"{kind}, {len(raw)} bytes"


def answer_to(messages: list[dict]) -> str:
    content = messages[-1]["content"]
    parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
    text = " ".join(part["text"] for part in parts if part["type"] == "text").lower()
    pictures = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    if "hostile" in text:
        return HOSTILE
    if "long" in text:
        return LONG * 400
    if "turns" in text:
        return f"This is message {len(messages)}."
    if "describe" in text or "描述" in text:
        return SHOWCASE
    if pictures:
        return "I was given " + "; ".join(f"picture {i + 1}: {picture_text(url)}"
                                          for i, url in enumerate(pictures)) + "."
    return "A **short** answer, as there is no picture."
