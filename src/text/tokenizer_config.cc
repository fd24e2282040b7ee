#include "text/tokenizer_config.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>
#include <map>
#include <set>

#include "base/file.h"
#include "base/json.h"

namespace tessera {
namespace {

constexpr uint64_t kMaxTokenizerConfigBytes = 16 << 20;
constexpr size_t kMaxAdded = 1 << 14;
constexpr size_t kMaxContentBytes = 1024;
constexpr int64_t kMaxId = std::numeric_limits<int32_t>::max();

void check_content(const JsonReader& reader, const std::string& key, const std::string& content) {
  if (content.empty() || content.size() > kMaxContentBytes || content.find('\0') != content.npos)
    reader.fail(key, fmt::format("1 to {} bytes of text without NUL", kMaxContentBytes),
                fmt::format("{} bytes", content.size()));
}

// Added tokens by id, as several files list them.
class AddedTokens {
 public:
  void add(const JsonReader& reader, const std::string& key, AddedToken token) {
    check_content(reader, key, token.content);
    const auto [by_id, new_id] = by_id_.try_emplace(token.id, token);
    const auto [id, new_content] = ids_.try_emplace(token.content, token.id);
    if (by_id->second.content != token.content || id->second != token.id)
      reader.fail(key, "each added token and each id once",
                  fmt::format("id {} for {}", token.id, describe_json(token.content)));
    if (by_id_.size() > kMaxAdded)
      reader.fail(key, fmt::format("at most {} added tokens", kMaxAdded), "more");
  }

  std::vector<AddedToken> take() {
    std::vector<AddedToken> all;
    all.reserve(by_id_.size());
    for (auto& [id, token] : by_id_) all.push_back(std::move(token));
    return all;
  }

 private:
  std::map<int32_t, AddedToken> by_id_;
  std::map<std::string, int32_t> ids_;
};

// "added_tokens_decoder": {"7": {"content": "<|im_end|>", "special": true, ...}, ...}
void read_decoder(const JsonReader& decoder, AddedTokens& added) {
  for (const auto& [key, value] : decoder.json().items()) {
    int32_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size() || id < 0)
      decoder.fail(key, "a token id as key", describe_json(key));
    const JsonReader entry = decoder.object(key);
    if (entry.boolean_or("single_word", false)) entry.fail("single_word", "false", "true");
    added.add(entry, "content",
              {.content = entry.string("content"),
               .id = id,
               .special = entry.boolean_or("special", false),
               .strip_left = entry.boolean_or("lstrip", false),
               .strip_right = entry.boolean_or("rstrip", false)});
  }
}

// A named token is written as its content or as an object that holds it.
std::string read_name(const JsonReader& reader, const std::string& key) {
  if (!reader.has(key)) return "";
  const bool object = reader.at(key).is_object();
  std::string content = object ? reader.object(key).string("content") : reader.string(key);
  check_content(reader, key, content);
  return content;
}

// Leaves `into` as it is when the file does not name the token.
void read_name(const JsonReader& reader, const std::string& key, std::string& into) {
  if (std::string name = read_name(reader, key); !name.empty()) into = std::move(name);
}

void read_names(const JsonReader& reader, TokenizerConfig& config) {
  read_name(reader, "bos_token", config.bos);
  read_name(reader, "eos_token", config.eos);
  read_name(reader, "unk_token", config.unk);
  for (const char* key : {"pad_token", "sep_token", "cls_token", "mask_token"})
    if (std::string name = read_name(reader, key); !name.empty())
      config.other_names.push_back(std::move(name));
  const std::string list = "additional_special_tokens";
  if (!reader.has(list)) return;
  const Json& names = reader.at(list);
  if (!names.is_array() || names.size() > kMaxAdded)
    reader.fail(list, fmt::format("a list of at most {} tokens", kMaxAdded), describe_json(names));
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string key = fmt::format("{}[{}]", list, i);
    const Json entry = {{key, names[i]}};  // one key, so that an error names the place in the list
    const JsonReader entry_reader(entry, reader.where());
    std::string name = read_name(entry_reader, key);
    if (!name.empty()) config.other_names.push_back(std::move(name));
  }
}

}  // namespace

TokenizerConfig read_tokenizer_config(const std::string& model_dir) {
  TokenizerConfig config;
  config.where = model_dir + "/tokenizer_config.json";
  AddedTokens added;
  if (file_exists(config.where)) {
    const Json json = read_json_file(config.where, kMaxTokenizerConfigBytes);
    const JsonReader reader(json, config.where);
    config.add_bos = reader.boolean_or("add_bos_token", true);
    config.legacy = reader.boolean_or("legacy", true);
    config.add_prefix_space = reader.boolean_or("add_prefix_space", true);
    if (reader.has("added_tokens_decoder"))
      read_decoder(reader.object("added_tokens_decoder"), added);
    read_names(reader, config);
  }
  const std::string map_path = model_dir + "/special_tokens_map.json";
  if (file_exists(map_path)) {
    const Json json = read_json_file(map_path, kMaxTokenizerConfigBytes);
    read_names(JsonReader(json, map_path), config);
  }
  const std::string added_path = model_dir + "/added_tokens.json";
  if (file_exists(added_path)) {
    const Json json = read_json_file(added_path, kMaxTokenizerConfigBytes);
    const JsonReader reader(json, added_path);
    for (const auto& [content, value] : json.items()) {
      const auto id = static_cast<int32_t>(reader.integer(content, 0, kMaxId));
      added.add(reader, content, {.content = content, .id = id});
    }
  }
  config.added = added.take();

  // Whatever has a name among the special tokens is special, however it was listed.
  std::set<std::string> special(config.other_names.begin(), config.other_names.end());
  special.insert({config.bos, config.eos, config.unk});
  for (AddedToken& token : config.added) token.special |= special.contains(token.content);
  return config;
}

TokenNames read_token_names(const std::string& model_dir) {
  TokenNames names;
  names.where = model_dir + "/tokenizer_config.json";
  for (const std::string& path : {names.where, model_dir + "/special_tokens_map.json"}) {
    if (!file_exists(path)) continue;
    const Json json = read_json_file(path, kMaxTokenizerConfigBytes);
    const JsonReader reader(json, path);
    if (reader.has("add_bos_token")) names.add_bos = reader.boolean("add_bos_token");
    read_name(reader, "bos_token", names.bos);
    read_name(reader, "eos_token", names.eos);
  }
  return names;
}

}  // namespace tessera
