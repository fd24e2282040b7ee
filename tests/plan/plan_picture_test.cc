#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tessera/plan.h"

namespace tessera {
namespace {

using testing::HasSubstr;

Plan small_plan() {
  Plan plan{.fits = true, .context = 4096, .sequences = 2, .kv_room_tokens = 9000};
  plan.stages.push_back({.device = 0,
                         .device_name = "a<b&\"c\":0",
                         .first_layer = 0,
                         .last_layer = 2,
                         .precisions = {Precision::kBF16, Precision::kInt8, Precision::kInt8},
                         .vision = true,
                         .bytes = {.weights = 5ULL << 30, .vision = 1ULL << 30, .kv = 1 << 20},
                         .budget_bytes = 8ULL << 30,
                         .decode_s = 0.02,
                         .prefill_chunk_s = 0.1});
  plan.side_devices.push_back({.device = 1,
                               .device_name = "cpu:1",
                               .embedding = true,
                               .bytes = {.embedding = 1ULL << 30},
                               .budget_bytes = 2ULL << 30});
  plan.embedding_device = 1;
  return plan;
}

// Tags open and close in order, and no text opens one: what an XML reader would insist on.
std::string unbalanced(const std::string& xml) {
  std::vector<std::string> open;
  for (size_t at = xml.find('<'); at != xml.npos; at = xml.find('<', at + 1)) {
    const size_t end = xml.find('>', at);
    if (end == xml.npos) return "an open tag";
    const std::string tag = xml.substr(at + 1, end - at - 1);
    const std::string name = tag.substr(tag[0] == '/' ? 1 : 0, tag.find_first_of(" /", 1) - 0);
    if (tag[0] == '/') {
      if (open.empty() || open.back() != tag.substr(1)) return tag;
      open.pop_back();
    } else if (!tag.ends_with('/')) {
      open.push_back(tag.substr(0, tag.find(' ')));
    }
  }
  return open.empty() ? "" : open.back();
}

TEST(PlanSvg, IsWellFormedAndShowsEachDevice) {
  const std::string svg = plan_to_svg(small_plan(), "a & <b>");
  EXPECT_EQ(unbalanced(svg), "");
  EXPECT_THAT(svg, HasSubstr("a &amp; &lt;b&gt;"));
  EXPECT_THAT(svg, HasSubstr("a&lt;b&amp;&quot;c&quot;:0"));
  EXPECT_THAT(svg, HasSubstr("layer 2: int8"));
  EXPECT_THAT(svg, HasSubstr("vision tower: 1.00 GiB"));
  EXPECT_THAT(svg, testing::Not(HasSubstr("http://www.example")));
}

TEST(PlanSvg, SaysWhyNothingFits) {
  Plan plan;
  plan.why_not.emplace().text = "5 GiB missing";
  const std::string svg = plan_to_svg(plan, "x");
  EXPECT_EQ(unbalanced(svg), "");
  EXPECT_THAT(svg, HasSubstr("5 GiB missing"));
}

TEST(PlanTable, HasARowForEachDevice) {
  const std::string table = plan_to_table(small_plan());
  EXPECT_THAT(table, HasSubstr("vision, layers 0-2"));
  EXPECT_THAT(table, HasSubstr("1 bf16, 2 int8"));
  EXPECT_THAT(table, HasSubstr("cpu:1"));
  EXPECT_THAT(table, HasSubstr("room for 9000 tokens"));
  EXPECT_THAT(table, HasSubstr("KV bf16"));
  Plan plan = small_plan();
  plan.kv = KvFormat::kInt8;
  EXPECT_THAT(plan_to_table(plan), HasSubstr("KV int8"));
  plan = {};
  plan.why_not.emplace().text = "5 GiB missing";
  EXPECT_EQ(plan_to_table(plan), "5 GiB missing\n");
}

}  // namespace
}  // namespace tessera
