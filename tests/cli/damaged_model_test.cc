// A checkpoint that was damaged on its way, or by somebody: each way ends in one line that names
// the file, within seconds, with nothing run, read outside the folder or left behind.

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>

#include "tests/checkpoint/pickle_builder.h"
#include "tests/cli/programs.h"
#include "tests/support/sanitized.h"
#include "tests/support/temp_folder.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr const char* kIndex = "/pytorch_model.bin.index.json";
constexpr const char* kShard = "/pytorch_model-00002-of-00003.bin";
constexpr const char* kSafeShard = "/pytorch_model-00001-of-00003.safetensors";
constexpr const char* kPickled = "yi_vl_tiny";
constexpr const char* kSafe = "yi_vl_tiny_safetensors";

std::string content_of(const std::string& path) {
  return read_file(path, 64 << 20);
}

void put_file(const std::string& path, std::string_view content) {
  std::ofstream(path, std::ios::binary) << content;
}

// A text of the file becomes another.
void edit(const std::string& path, const std::string& from, const std::string& to) {
  std::string content = content_of(path);
  const size_t at = content.find(from);
  ASSERT_NE(at, std::string::npos) << from;
  put_file(path, content.replace(at, from.size(), to));
}

void set_value(const std::string& path, const std::string& pointer, const Json& value) {
  Json json = parse_json(content_of(path), path);
  json[Json::json_pointer(pointer)] = value;
  put_file(path, json.dump());
}

// Cannot be opened, not even by root.
void make_unreadable(const std::string& path) {
  fs::remove_all(path);
  fs::create_symlink(fs::path(path).filename(), path);
}

// What runs `touch DIR/executed` where pickles are programs.
std::string evil_shard(const std::string& dir) {
  const std::string call = pickle::global("posix", "system") +
                           pickle::tuple({pickle::text("touch " + dir + "/executed")}) + "R";
  return build_zip({{.name = "archive/data.pkl", .data = pickle::kBegin + call + pickle::kEnd},
                    {.name = "archive/version", .data = "3\n"}});
}

struct Damage {
  const char* name;
  const char* checkpoint;
  std::function<void(const std::string& dir)> damage;
  std::vector<std::string> said;  // file, place and reason
  Args more = {};
};

void PrintTo(const Damage& damage, std::ostream* out) {
  *out << damage.name;
}

Damage config_value(const char* name, const char* key, const Json& value) {
  return {name,
          kPickled,
          [=](const std::string& dir) {
            set_value(dir + "/config.json", std::string("/") + key, value);
          },
          {"/config.json: ", key}};
}

std::vector<Damage> damages() {
  return {
      {"Nothing", kPickled, [](const std::string&) {}, {}},
      {"ShardMissing",
       kPickled,
       [](const std::string& dir) { fs::remove(dir + kShard); },
       {kIndex, std::string(kShard).substr(1), "no such file"}},
      {"ShardTruncated",
       kPickled,
       [](const std::string& dir) {
         fs::resize_file(dir + kShard, fs::file_size(dir + kShard) / 2);
       },
       {kShard}},
      {"ShardWithoutItsLastByte",
       kSafe,
       [](const std::string& dir) {
         fs::resize_file(dir + kSafeShard, fs::file_size(dir + kSafeShard) - 1);
       },
       {kSafeShard}},
      {"ShardEmpty",
       kPickled,
       [](const std::string& dir) { put_file(dir + kShard, ""); },
       {kShard}},
      {"ShardADirectory",
       kPickled,
       [](const std::string& dir) {
         fs::remove(dir + kShard);
         fs::create_directory(dir + kShard);
       },
       {kShard, "a directory"}},
      {"ShardUnreadable",
       kPickled,
       [](const std::string& dir) { make_unreadable(dir + kShard); },
       {kShard, "symbolic links"}},
      {"ShardThatRunsACommand",
       kPickled,
       [](const std::string& dir) { put_file(dir + kShard, evil_shard(dir)); },
       {kShard, "posix", "system"}},
      {"IndexPointsOutside",
       kPickled,
       [](const std::string& dir) {
         set_value(dir + kIndex, "/weight_map/lm_head.weight", "../shard.bin");
       },
       {kIndex, "../shard.bin"}},
      {"IndexPointsToAnotherPlace",
       kPickled,
       [](const std::string& dir) {
         set_value(dir + kIndex, "/weight_map/lm_head.weight", "/etc/passwd");
       },
       {kIndex, "/etc/passwd"}},
      {"IndexNamesATensorThatIsNotThere",
       kPickled,
       [](const std::string& dir) {
         set_value(dir + kIndex, "/weight_map/model.layers.99.mlp.up_proj.weight",
                   std::string(kShard).substr(1));
       },
       {"model.layers.99.mlp.up_proj.weight", kShard}},
      {"IndexNamesTheWrongShard",
       kPickled,
       [](const std::string& dir) {
         set_value(dir + kIndex, "/weight_map/lm_head.weight", std::string(kShard).substr(1));
       },
       {"lm_head.weight", kShard}},
      {"IndexLacksATensor",
       kPickled,
       [](const std::string& dir) {
         edit(dir + kIndex, "\"model.norm.weight\"", "\"model.morn.weight\"");
       },
       {"morn.weight"}},
      {"IndexNoJson",
       kPickled,
       [](const std::string& dir) { put_file(dir + kIndex, "<html>404</html>"); },
       {kIndex}},
      {"ShapeTurned",
       kSafe,
       [](const std::string& dir) {
         edit(dir + kSafeShard, "\"shape\":[448,112]", "\"shape\":[112,448]");
       },
       {kSafeShard, "model.embed_tokens.weight", "[448, 112]", "[112, 448]"}},
      {"ShapeOfAnotherConfiguration",
       kPickled,
       [](const std::string& dir) { set_value(dir + "/config.json", "/intermediate_size", 96); },
       {".bin: ", "mlp.", "96", "104"}},
      {"TypeThatIsNoWeights",
       kSafe,
       [](const std::string& dir) {
         edit(dir + kSafeShard, "\"dtype\":\"BF16\",\"shape\":[448",
              "\"dtype\": \"I16\",\"shape\":[448");
       },
       {kSafeShard, "model.embed_tokens.weight", "16"}},
      {"TypeOfAnotherSize",
       kSafe,
       [](const std::string& dir) {
         edit(dir + kSafeShard, "\"dtype\":\"BF16\",\"shape\":[448",
              "\"dtype\": \"F32\",\"shape\":[448");
       },
       {kSafeShard, "model.embed_tokens.weight"}},
      {"ConfigMissing",
       kPickled,
       [](const std::string& dir) { fs::remove(dir + "/config.json"); },
       {"/config.json"}},
      {"ConfigUnreadable",
       kPickled,
       [](const std::string& dir) { make_unreadable(dir + "/config.json"); },
       {"/config.json", "symbolic links"}},
      {"ConfigADirectory",
       kPickled,
       [](const std::string& dir) {
         fs::remove(dir + "/config.json");
         fs::create_directory(dir + "/config.json");
       },
       {"/config.json"}},
      {"ConfigWithoutAKey",
       kPickled,
       [](const std::string& dir) { edit(dir + "/config.json", "\"hidden_size\"", "\"hidden\""); },
       {"/config.json: ", "hidden_size"}},
      config_value("ConfigNegative", "hidden_size", -112),
      config_value("ConfigZero", "num_hidden_layers", 0),
      config_value("ConfigAbsurd", "num_hidden_layers", 1'000'000'000),
      config_value("ConfigBeyondNumbers", "vocab_size", 1e300),
      config_value("ConfigNotANumber", "intermediate_size", "many"),
      config_value("ConfigAList", "max_position_embeddings", Json::array({1024})),
      config_value("ConfigFraction", "hidden_size", 112.5),
      config_value("HeadsThatDoNotDivide", "num_key_value_heads", 2),
      config_value("HeadsThatDoNotDivideTheWidth", "num_attention_heads", 5),
      {"ModelTooLargeForAnything",
       kPickled,
       [](const std::string& dir) {
         const std::string config = dir + "/config.json";
         for (const char* key : {"/hidden_size", "/intermediate_size"})
           set_value(config, key, 114688);
         set_value(config, "/num_attention_heads", 1024);
         set_value(config, "/num_hidden_layers", 500);
       },
       {"/model: ", "does not fit"}},
      {"TokenizerOfAnotherModel",
       kPickled,
       [](const std::string& dir) {
         fs::copy_file(kGolden + "/llama_tiny/tokenizer.model", dir + "/tokenizer.model",
                       fs::copy_options::overwrite_existing);
       },
       {"/tokenizer.model: ", "300", "448", "tokenizer of another model?"}},
      {"TokenizerMissing",
       kPickled,
       [](const std::string& dir) { fs::remove(dir + "/tokenizer.model"); },
       {"/tokenizer.model", "No such file"}},
      {"TokenizerUnreadable",
       kPickled,
       [](const std::string& dir) { make_unreadable(dir + "/tokenizer.model"); },
       {"/tokenizer.model", "symbolic links"}},
      {"TowerMissing",
       kPickled,
       [](const std::string& dir) { fs::remove_all(dir + "/vit"); },
       {"vit"}},
      {"TowersShardTruncated",
       kPickled,
       [](const std::string& dir) {
         fs::resize_file(dir + "/vit/clip-vit-tiny-56/pytorch_model.bin", 1000);
       },
       {"/vit/clip-vit-tiny-56/pytorch_model.bin"}},
      {"PictureBomb",
       kPickled,
       [](const std::string& dir) {
         std::string gif = content_of(kGolden + "/pictures/still.gif");
         gif.replace(6, 4, "\xff\xff\xff\xff");  // 65535 pixels a side, 17 GB once decoded
         put_file(dir + "/bomb.gif", gif);
       },
       {"/bomb.gif", "65535 x 65535"},
       {"--image-file", "bomb.gif"}},
      {"PictureUnreadable",
       kPickled,
       [](const std::string& dir) { make_unreadable(dir + "/loop.png"); },
       {"/loop.png", "symbolic links"},
       {"--image-file", "loop.png"}},
  };
}

std::map<std::string, uintmax_t> files_in(const std::string& dir) {
  std::map<std::string, uintmax_t> files;
  for (const auto& entry : fs::recursive_directory_iterator(dir))
    files[entry.path()] =
        entry.symlink_status().type() == fs::file_type::regular ? entry.file_size() : 0;
  return files;
}

class DamagedModelTest : public testing::TestWithParam<Damage> {};

TEST_P(DamagedModelTest, EndsInOneLine) {
  const Damage& damage = GetParam();
  const TempFolder folder;
  const std::string dir = folder.path("model");
  fs::copy(kGolden + "/" + damage.checkpoint, dir, fs::copy_options::recursive);
  damage.damage(dir);
  const auto files_before = files_in(folder.path());

  Args args = {"run",    "--model-path",     dir, "--devices", kThreeDevices, "--question",
               "Hello.", "--max-new-tokens", "1"};
  for (const std::string& option : damage.more)
    args.push_back(option.starts_with("--") ? option : dir + "/" + option);
  if (damage.said.empty()) {  // the copy itself is sound
    EXPECT_EQ(run_tessera(args).status, 0);
    return;
  }
  const double start_s = now_s();
  const std::string line = failure_of(args, 1);
  EXPECT_LT(now_s() - start_s, kSanitized ? 60 : 10);
  for (const std::string& part : damage.said) EXPECT_THAT(line, HasSubstr(part));
  EXPECT_LT(line.size(), 600U);
  EXPECT_EQ(files_in(folder.path()), files_before);
  rusage usage{};
  ::getrusage(RUSAGE_CHILDREN, &usage);
  EXPECT_TRUE(kSanitized || usage.ru_maxrss < 1 << 20) << usage.ru_maxrss << " KiB";
}

INSTANTIATE_TEST_SUITE_P(All, DamagedModelTest, testing::ValuesIn(damages()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace tessera
