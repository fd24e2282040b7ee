#include "runtime/quality_sample.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <system_error>

#include "base/file.h"
#include "text/prompt.h"
#include "text/tokenizer.h"

namespace tessera {
namespace {

constexpr std::array kPictureEndings = {".png", ".jpg", ".jpeg", ".webp", ".gif"};

// Of tokens and what follows each: the last one is only predicted.
ScoredSequence sequence_of(PromptTokens prompt, int64_t first_row) {
  ScoredSequence out{.prompt = std::move(prompt), .first_row = first_row};
  std::vector<int32_t>& ids = out.prompt.ids;
  out.next.assign(ids.begin() + first_row + 1, ids.end());
  ids.pop_back();
  return out;
}

bool is_picture(const std::filesystem::path& path) {
  std::string ending = path.extension().string();
  std::ranges::transform(ending, ending.begin(), [](unsigned char c) { return std::tolower(c); });
  return std::ranges::count(kPictureEndings, ending) > 0;
}

}  // namespace

std::vector<ScoredSequence> text_windows(std::span<const int32_t> ids, int64_t context,
                                         int32_t bos) {
  std::vector<ScoredSequence> windows;
  while (!ids.empty()) {
    PromptTokens tokens;
    if (bos >= 0) tokens.ids.push_back(bos);
    const size_t count = std::min(ids.size(), static_cast<size_t>(context) - tokens.ids.size());
    tokens.ids.insert(tokens.ids.end(), ids.begin(),
                      ids.begin() + static_cast<std::ptrdiff_t>(count));
    ids = ids.subspan(count);
    if (tokens.ids.size() > 1) windows.push_back(sequence_of(std::move(tokens), 0));
  }
  return windows;
}

ScoredSequence conversation(std::vector<int32_t> prompt_ids, int64_t rows_per_picture) {
  PromptTokens tokens = spread_pictures(std::move(prompt_ids), rows_per_picture);
  const int64_t first_row =
      tokens.pictures.empty() ? 0 : tokens.pictures.back().first_row + rows_per_picture - 1;
  return sequence_of(std::move(tokens), first_row);
}

std::vector<ScoredSequence> first_rows(std::span<const ScoredSequence> sequences, int64_t rows) {
  std::vector<ScoredSequence> out;
  for (const ScoredSequence& sequence : sequences) {
    if (rows <= 0) break;
    ScoredSequence& to = out.emplace_back(sequence);
    const int64_t kept = std::min(rows, to.rows());
    to.next.resize(static_cast<size_t>(kept));
    to.prompt.ids.resize(static_cast<size_t>(to.first_row + kept));
    rows -= kept;
  }
  return out;
}

int64_t number_rows(std::span<ScoredSequence> sequences, int64_t index) {
  for (ScoredSequence& sequence : sequences) {
    sequence.first_index = index;
    index += sequence.rows();
  }
  return index;
}

std::vector<std::string> pictures_in(const std::string& folder, int64_t most) {
  std::vector<std::string> files;
  try {
    for (const auto& entry : std::filesystem::directory_iterator(folder))
      if (entry.is_regular_file() && is_picture(entry.path()))
        files.push_back(entry.path().string());
  } catch (const std::filesystem::filesystem_error& e) {
    throw Error({.where = folder, .what = "cannot list: " + e.code().message()});
  }
  if (files.empty())
    throw Error({.where = folder, .expected = "JPEG, PNG, WebP or GIF files", .found = "none"});
  std::ranges::sort(files);
  if (files.size() > static_cast<size_t>(most)) files.resize(static_cast<size_t>(most));
  return files;
}

std::string read_text(const std::string& file) {
  const File text = File::open(file);
  std::string content(std::min<uint64_t>(text.size(), Tokenizer::kMaxTextBytes), '\0');
  text.read_at(0, std::as_writable_bytes(std::span(content)));
  if (content.size() < text.size()) {  // back to where a character begins
    size_t end = content.size() - 1;
    while (end > 0 && (static_cast<unsigned char>(content[end]) & 0xC0) == 0x80) --end;
    content.resize(end);
  }
  if (content.empty()) throw Error({.where = file, .expected = "a text", .found = "an empty file"});
  return content;
}

std::string_view built_in_text() {
  return R"(The ferry leaves the old harbour at ten past seven, and whoever misses it waits until noon. Martha did not miss it.
She had packed the evening before: two jars of plum jam, a torch, the letter from the notary and, because the forecast spoke of
wind, her father's heavy coat. On deck a boy was counting gulls aloud. He reached forty-three, lost his place and began again.

"Are you going to the island for long?" the man beside her asked.
"That depends on a roof," she said. "If it holds, a week. If it does not, all summer."

The house had stood empty for eleven years. In that time the price of slate had doubled, the road to the quarry had washed away,
and the only mason who knew how the chimney was built had moved to the mainland to be near his daughter. Still, a house is a
patient thing. It asks for little at once: first a dry floor, then a fire, then somebody who stays.

## How bridges carry weight

A beam that is loaded in the middle bends: its upper side is pressed together and its lower side is pulled apart. Stone bears
pressure well and tension badly, which is why builders who had only stone made arches. In an arch every block pushes against its
neighbours, and the push travels along the curve into the ground. Steel bears both, so a steel bridge can be flat and thin.
For a beam of length L with a load P at its centre the largest bending moment is P * L / 4; twice the span means twice the
moment, but four times the moment if the weight of the beam itself is what it carries.

| span (m) | load (kN) | moment (kN m) |
|----------|-----------|---------------|
| 4        | 10        | 10.0          |
| 8        | 10        | 20.0          |
| 12       | 7.5       | 22.5          |

```python
def moving_average(values, width):
    """Mean of each run of `width` values; shorter at the start."""
    total, out = 0.0, []
    for i, value in enumerate(values):
        total += value
        if i >= width:
            total -= values[i - width]
        out.append(total / min(i + 1, width))
    return out

print(moving_average([3, 5, 8, 13, 21], 3))  # [3.0, 4.0, 5.333..., 8.666..., 14.0]
```

To make bread for four people, dissolve 7 g of dry yeast in 320 ml of lukewarm water, add 500 g of flour and 10 g of salt, and
knead for ten minutes until the dough no longer sticks to the bowl. Let it rise for an hour, shape it, let it rise again, and bake
it at 230 degrees for thirty-five minutes. Knock on the bottom: if it sounds hollow, it is done.

清晨的市场已经很热闹了。卖菜的老人把西红柿一个一个摆好，旁边的姑娘在切豆腐。雨停了，石板路上还有水，孩子们踩着水跑过去，
笑声传得很远。老人说，今年的桃子比去年甜，因为春天的雨水少。我买了三斤，一共十二块钱。回家的路上，我想起小时候奶奶常说的话：
吃饭要慢，走路要稳，说话要想一想。

Question: A train covers 180 km in 2 hours and 15 minutes. What is its average speed?
Answer: 2 hours and 15 minutes are 2.25 hours, and 180 / 2.25 = 80. The train travels at 80 km/h on average.
)";
}

}  // namespace tessera
