#include "checkpoint/tensor_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <tuple>

#include "base/json.h"
#include "checkpoint/weight_map.h"
#include "tests/checkpoint/pickle_builder.h"
#include "tests/checkpoint/zip_builder.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_folder.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// u8 tensors of four bytes each, one after another.
std::string safetensors_of(const std::vector<std::string>& names, const char* dtype = "U8") {
  std::string header = "{";
  for (size_t i = 0; i < names.size(); ++i)
    header += (i > 0 ? ",\"" : "\"") + names[i] + "\":{\"dtype\":\"" + dtype +
              "\",\"shape\":[4],\"data_offsets\":[" + std::to_string(4 * i) + "," +
              std::to_string(4 * i + 4) + "]}";
  header += "}";
  std::string out;
  put(out, header.size(), 8);
  return out + header + std::string(4 * names.size(), 'x');
}

std::string torch_bin_of(const std::string& name) {
  using namespace pickle;
  return build_zip({{.name = "m/data.pkl", .data = dict({{name, small_tensor()}})},
                    {.name = "m/data/0", .data = std::string(12, 'y')}});
}

std::string open_error(const TempFolder& folder) {
  return error_of([&] { TensorIndex::open(folder.path()); });
}

TEST(TensorIndex, TakesSafetensorsFirstAndOneFileBeforeAnIndex) {
  const TempFolder folder;
  EXPECT_THAT(open_error(folder), HasSubstr("weights: expected model.safetensors"));
  folder.write("pytorch_model-1.bin", torch_bin_of("from.bin.index"));
  folder.write("pytorch_model.bin.index.json",
               R"({"weight_map":{"from.bin.index":"pytorch_model-1.bin"}})");
  EXPECT_NE(TensorIndex::open(folder.path()).find("from.bin.index"), nullptr);
  folder.write("pytorch_model.bin", torch_bin_of("from.bin"));
  EXPECT_NE(TensorIndex::open(folder.path()).find("from.bin"), nullptr);
  folder.write("yi-1.safetensors", safetensors_of({"from.yi"}));
  folder.write("yi.safetensors.index.json", R"({"weight_map":{"from.yi":"yi-1.safetensors"}})");
  EXPECT_NE(TensorIndex::open(folder.path()).find("from.yi"), nullptr);
  folder.write("zz.safetensors.index.json", R"({"weight_map":{}})");
  EXPECT_THAT(open_error(folder),
              HasSubstr("expected one index, found yi.safetensors.index.json and "
                        "zz.safetensors.index.json"));
  folder.write("model-1.safetensors", safetensors_of({"from.index"}));
  folder.write("model.safetensors.index.json",
               R"({"weight_map":{"from.index":"model-1.safetensors"}})");
  EXPECT_NE(TensorIndex::open(folder.path()).find("from.index"), nullptr);
  folder.write("model.safetensors", safetensors_of({"from.model"}));
  const TensorIndex index = TensorIndex::open(folder.path());
  EXPECT_NE(index.find("from.model"), nullptr);
  EXPECT_EQ(index.path(), folder.path("model.safetensors"));
}

TEST(TensorIndex, OpensNoFileByItsLooksAlone) {
  const TempFolder folder;
  folder.write("open_clip_pytorch_model.bin", torch_bin_of("t"));
  folder.write("other.safetensors", safetensors_of({"t"}));
  EXPECT_THAT(open_error(folder), HasSubstr("found none of them"));
}

TEST(TensorIndex, ListsShardsByFileAndOffset) {
  const TempFolder folder;
  folder.write("b.safetensors", safetensors_of({"n", "m", "unnamed"}));
  folder.write("a.safetensors", safetensors_of({"z", "n"}));
  folder.write("model.safetensors.index.json",
               R"({"metadata":{"total_size":12,"x":[{}]},"weight_map":)"
               R"({"n":"b.safetensors","m":"b.safetensors","z":"a.safetensors"}})");
  const TensorIndex index = TensorIndex::open(folder.path());
  ASSERT_EQ(index.entries().size(), 3U);
  EXPECT_EQ(index.entries()[0].name, "z");
  EXPECT_EQ(index.entries()[1].name, "n");
  EXPECT_EQ(index.entries()[1].file, folder.path("b.safetensors"));  // not the copy in a
  EXPECT_EQ(index.entries()[2].name, "m");
  EXPECT_EQ(index.find("unnamed"), nullptr);
}

TEST(TensorIndex, RefusesAnIndexThatShardsDoNotKeep) {
  const TempFolder folder;
  folder.write("a.safetensors", safetensors_of({"n"}));
  const auto error = [&](const std::string& map) {
    folder.write("model.safetensors.index.json", "{\"weight_map\":" + map + "}");
    return open_error(folder);
  };
  EXPECT_EQ(error(R"({"n":"a.safetensors"})"), "no error");
  EXPECT_EQ(
      error(R"({"n":"gone.safetensors"})"),
      folder.path("model.safetensors.index.json") +
          ": weight_map: expected gone.safetensors, which has 1 of the tensors, found no such "
          "file (is the download complete?)");
  EXPECT_THAT(error(R"({"n":"a.safetensors","o":"a.safetensors"})"),
              HasSubstr("a.safetensors: o: expected this tensor, as"));
  fs::create_directory(folder.path("d"));
  EXPECT_THAT(error(R"({"n":"d"})"), HasSubstr("/d: expected a regular file, found a directory"));
  const std::string whole = safetensors_of({"n"});
  folder.write("cut.safetensors", whole.substr(0, whole.size() - 1));
  EXPECT_THAT(error(R"({"n":"cut.safetensors"})"), HasSubstr("cut.safetensors: "));
}

TEST(WeightMap, HoldsPlainFileNamesOnly) {
  const auto error = [](const std::string& text) {
    return error_of([&] { parse_weight_map(text, "i.json"); });
  };
  const auto of_file = [&](const std::string& file) {
    return error("{\"weight_map\":{\"t\":" + file + "}}");
  };
  EXPECT_EQ(of_file("\"a.bin\""), "no error");
  for (const char* file :
       {"\"../a.bin\"", "\"/etc/passwd\"", "\"x/a.bin\"", "\"..\"", "\".\"", "\"\"", "\"./a.bin\"",
        "\"a\\u0000.bin\"", "3", "null", "true", "[]", "{}", "-1", "1.5"})
    EXPECT_THAT(
        of_file(file),
        HasSubstr("i.json: weight_map.t: expected the plain name of a file in the same folder"))
        << file;
  EXPECT_EQ(error("{}"), "i.json: weight_map: expected this key, found none");
  EXPECT_THAT(error("[]"), HasSubstr("expected a JSON object, found a list"));
  EXPECT_THAT(error("3"), HasSubstr("expected a JSON object, found a number"));
  EXPECT_THAT(error(""), HasSubstr("not valid JSON"));
  EXPECT_THAT(error("{\"weight_map\":{}} x"), HasSubstr("not valid JSON"));
  EXPECT_THAT(error("{\"weight_map\":[]}"), HasSubstr("an object of file names, found a list"));
  EXPECT_THAT(error("{\"weight_map\":{},\"weight_map\":{}}"), HasSubstr("found it twice"));
  EXPECT_THAT(error(R"({"weight_map":{"t":"a","t":"b"}})"), HasSubstr("used twice"));
  EXPECT_THAT(error("{\"metadata\":" + std::string(100'000, '[')), HasSubstr("less nesting"));
  EXPECT_EQ(error(R"({"metadata":{"weight_map":{"t":3}},"weight_map":{}})"), "no error");
}

TEST(TensorIndex, SaysWhatIsMissingOrOfAnotherShapeOrType) {
  const TempFolder folder;
  std::string file = safetensors_of({"w"}, "U8");
  folder.write("model.safetensors", file);
  const TensorIndex bytes = TensorIndex::open(folder.path());
  const std::array<int64_t, 1> four = {4}, two = {2};
  EXPECT_EQ(error_of([&] { bytes.at("v"); }),
            folder.path("model.safetensors") +
                ": v: expected this tensor, found none (is config.json from the same model?)");
  EXPECT_THAT(error_of([&] { bytes.expect("w", four); }),
              HasSubstr("w: expected f32, bf16 or f16 [4], found u8 [4]"));

  folder.write("pytorch_model.bin", torch_bin_of("w"));
  fs::remove(folder.path("model.safetensors"));
  const TensorIndex floats = TensorIndex::open(folder.path());
  EXPECT_THAT(error_of([&] { floats.expect("w", two); }),
              HasSubstr("pytorch_model.bin: w: expected f32, bf16 or f16 [2], found f32 [3]"));
  EXPECT_EQ(floats.expect("w", std::array<int64_t, 1>{3}).bytes, 12U);

  file = safetensors_of({"w"}, "BOOL");
  folder.write("model.safetensors", file);
  EXPECT_THAT(error_of([&] { TensorIndex::open(folder.path()).at("w"); }),
              HasSubstr("w: expected a type that Tessera reads, found BOOL"));
}

TEST(TensorIndex, RefusesAFolderThatIsNone) {
  const TempFolder folder;
  EXPECT_THAT(error_of([&] { TensorIndex::open(folder.path("none")); }),
              HasSubstr("expected a model folder, found none"));
  EXPECT_THAT(error_of([&] { TensorIndex::open(folder.write("file", "x")); }),
              HasSubstr("expected a model folder, found none"));
  fs::create_directory(folder.path("model.safetensors"));  // a folder by that name is no file
  EXPECT_THAT(open_error(folder), HasSubstr("found none of them"));
}

// Every checkpoint that the project tests with, in both formats: all weights that the index lists
// are there, once, sorted, and inside their files.
TEST(TensorIndex, OpensTheTestCheckpoints) {
  int opened = 0;
  for (const auto& folder : fs::directory_iterator(TESSERA_GOLDEN_DIR)) {
    const std::string dir = folder.path().string();
    const auto has = [&](const char* name) { return fs::exists(folder.path() / name); };
    if (!has("model.safetensors") && !has("model.safetensors.index.json") &&
        !has("pytorch_model.bin") && !has("pytorch_model.bin.index.json"))
      continue;
    SCOPED_TRACE(dir);
    ++opened;
    const TensorIndex index = TensorIndex::open(dir);
    const auto by_place = [](const TensorEntry& e) { return std::tie(e.file, e.offset); };
    EXPECT_TRUE(std::ranges::is_sorted(index.entries(), {}, by_place));
    for (const TensorEntry& e : index.entries()) {
      EXPECT_LE(e.offset + e.bytes, fs::file_size(e.file));
      EXPECT_EQ(index.find(e.name), &e);
    }
    EXPECT_NE(index.find("model.embed_tokens.weight"), nullptr);
    for (const char* name : {"model.safetensors.index.json", "pytorch_model.bin.index.json"})
      if (has(name)) {
        const Json json = read_json_file(dir + "/" + name, 1 << 20);
        EXPECT_EQ(index.entries().size(), json["weight_map"].size());
      }
  }
  EXPECT_GE(opened, 4);
  const std::string golden = TESSERA_GOLDEN_DIR;
  for (const char* tower : {"/yi_vl_tiny/vit/clip-vit-tiny-56", "/yi_vl_odd/vit/clip-odd-35"}) {
    const TensorIndex index = TensorIndex::open(golden + tower);
    EXPECT_EQ(index.at("vision_model.embeddings.class_embedding").dtype, DType::kF32) << tower;
  }
}

}  // namespace
}  // namespace tessera
