#include "checkpoint/packed_manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/json.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_folder.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

PackedManifest example() {
  return {
      .layout_version = 3,
      .source = "Yi-VL-6B",
      .fingerprint = "0123456789abcdef",
      .precision = Precision::kInt4,
      .units = {{.unit = "embedding",
                 .file = "embedding.safetensors",
                 .precision = Precision::kBF16,
                 .data_offset = 4096,
                 .data_bytes = 128,
                 .checksum = "00000000000000ff"},
                {.unit = "layer 0",
                 .file = "layer-000.safetensors",
                 .precision = Precision::kInt4,
                 .data_offset = 8192,
                 .data_bytes = uint64_t{1} << 40,
                 .checksum = "ffffffffffffffff"}},
      .others = {{.file = "vit/clip/config.json", .bytes = 12, .checksum = "0000000000000000"}}};
}

TEST(PackedManifest, IsReadBackAsItWasWritten) {
  EXPECT_EQ(parse_packed_manifest(packed_manifest_text(example()), "f"), example());
  PackedManifest odd = example();
  odd.source = "\xff";  // a folder's name may be of any bytes
  EXPECT_EQ(parse_packed_manifest(packed_manifest_text(odd), "f").source, "\xEF\xBF\xBD");
}

// The line about an example of which one thing was changed.
std::string refusal(const std::function<void(Json&)>& change) {
  Json json = parse_json(packed_manifest_text(example()), "f");
  change(json);
  return error_of([&] { parse_packed_manifest(json.dump(), "tessera.json"); });
}

TEST(PackedManifest, SaysWhichKeyIsWrong) {
  EXPECT_EQ(refusal([](Json&) {}), "no error");
  const std::pair<std::function<void(Json&)>, const char*> wrong[] = {
      {[](Json& j) { j["format"] = "x"; },
       "format: expected \"tessera packed model\", found \"x\""},
      {[](Json& j) { j["format_version"] = 0; }, "format_version: expected 1, found 0 (pack it"},
      {[](Json& j) { j["format_version"] = 2; }, "found 2 (a newer Tessera packed it"},
      {[](Json& j) { j["layout_version"] = -1; }, "layout_version"},
      {[](Json& j) { j["precision"] = "int3"; }, "precision: expected f32"},
      {[](Json& j) { j["precision"] = "fp8"; }, "precision: expected f32"},
      {[](Json& j) { j["source"].erase("fingerprint"); }, "source.fingerprint"},
      {[](Json& j) { j["source"]["fingerprint"] = "0123"; }, "16 hexadecimal digits"},
      {[](Json& j) { j.erase("units"); }, "units"},
      {[](Json& j) { j["units"] = 3; }, "units: expected a list of objects"},
      {[](Json& j) { j["units"][1]["unit"] = "embedding"; },
       "units[1].unit: expected each unit once"},
      {[](Json& j) { j["units"][1]["file"] = "embedding.safetensors"; }, "each file once"},
      {[](Json& j) { j["units"][1]["file"] = "../a"; }, "a path inside the model folder"},
      {[](Json& j) { j["units"][1]["file"] = "/a"; }, "a path inside the model folder"},
      {[](Json& j) { j["units"][1]["file"] = "a/b"; }, "units[1].file: expected a plain file name"},
      {[](Json& j) { j["units"][1]["precision"] = 4; }, "units[1].precision"},
      {[](Json& j) { j["units"][1]["data_offset"] = 0; }, "a multiple of 4096, found 0"},
      {[](Json& j) { j["units"][1]["data_offset"] = 4097; }, "a multiple of 4096, found 4097"},
      {[](Json& j) { j["units"][1]["data_bytes"] = -1; }, "units[1].data_bytes"},
      {[](Json& j) { j["units"][1]["data_bytes"] = uint64_t{1} << 60; }, "units[1].data_bytes"},
      {[](Json& j) { j["units"][1]["xxh3"] = "FFFFFFFFFFFFFFFF"; }, "units[1].xxh3"},
      {[](Json& j) { j["others"][0]["file"] = "vit/../../x"; }, "a path inside the model folder"},
      {[](Json& j) { j["others"][0].erase("bytes"); }, "others[0].bytes"},
  };
  for (const auto& [change, line] : wrong)
    EXPECT_THAT(refusal(change), AllOf(StartsWith("tessera.json: "), HasSubstr(line)));
}

TEST(PackedManifest, IsFoundWhereThereIsOne) {
  const TempFolder folder;
  EXPECT_EQ(find_packed_manifest(folder.path()), std::nullopt);
  folder.write("tessera.json", packed_manifest_text(example()));
  EXPECT_EQ(find_packed_manifest(folder.path()), example());
  folder.write("tessera.json", "{");
  EXPECT_THAT(error_of([&] { find_packed_manifest(folder.path()); }), HasSubstr("not valid JSON"));
}

}  // namespace
}  // namespace tessera
