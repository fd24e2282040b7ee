#include "text/tokenizer_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_map>
#include <utility>

#include "tessera/error.h"
#include "text/json_keys.h"
#include "text/nfc.h"

namespace tessera {
namespace {

constexpr int64_t kMaxVocab = 1 << 22;
constexpr size_t kMaxListed = 1 << 14;
constexpr size_t kMaxTokenBytes = 1024, kMaxAddedBytes = 256;

using TokenIds = std::unordered_map<std::string, int32_t>;

std::string shown(const std::string& text) {
  return describe_json(Json(text));
}

// "model.vocab": {"a": 0, ...}
class VocabTable {
 public:
  explicit VocabTable(const std::string& where) : where_(where) {}

  void add(const std::string& token, const Json& id) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= static_cast<uint64_t>(kMaxVocab))
      fail(token, fmt::format("an id from 0 to {}", kMaxVocab - 1), describe_json(id));
    if (token.size() > kMaxTokenBytes)
      fail(token, fmt::format("a token of at most {} bytes", kMaxTokenBytes),
           fmt::format("{}", token.size()));
    if (!ids_.try_emplace(token, id.get<int32_t>()).second)
      fail(token, "each token once", "it twice");
  }

  const TokenIds& ids() const { return ids_; }

  std::vector<std::string> by_id() const {
    std::vector<std::string> tokens(ids_.size());
    std::vector<bool> taken(ids_.size());
    for (const auto& [token, id] : ids_) {
      const auto place = static_cast<size_t>(id);
      if (place >= tokens.size() || taken[place])
        fail(token, fmt::format("ids from 0 to {}, each once", tokens.size() - 1),
             fmt::to_string(id));
      taken[place] = true;
      tokens[place] = token;
    }
    return tokens;
  }

 private:
  [[noreturn]] void fail(const std::string& token, const std::string& expected,
                         const std::string& found) const {
    throw Error({.where = where_,
                 .what = "model.vocab." + token.substr(0, 100),
                 .expected = expected,
                 .found = found});
  }

  const std::string& where_;
  TokenIds ids_;
};

// "model.merges": ["a b", ...] or [["a", "b"], ...]
class MergesTable {
 public:
  explicit MergesTable(const std::string& where) : where_(where) {}

  void add(const Json& entry) {
    const size_t place = pairs_.size();
    if (entry.is_string()) {
      const auto& line = entry.get_ref<const std::string&>();
      if (line.starts_with("#version")) return;
      const size_t space = line.find(' ');
      if (space == line.npos || line.find(' ', space + 1) != line.npos)
        fail(place, "two tokens with a space between", describe_json(entry));
      pairs_.emplace_back(line.substr(0, space), line.substr(space + 1));
    } else {
      if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_string())
        fail(place, "a pair of tokens", describe_json(entry));
      pairs_.emplace_back(entry[0].get<std::string>(), entry[1].get<std::string>());
    }
  }

  std::vector<BpeMerges::Merge> with_ids(const TokenIds& ids) const {
    std::vector<BpeMerges::Merge> merges;
    merges.reserve(pairs_.size());
    for (const auto& [left, right] : pairs_) {
      const auto id_of = [&](const std::string& token) {
        const auto found = ids.find(token);
        if (found == ids.end()) fail(merges.size(), "tokens of the vocabulary", shown(token));
        return found->second;
      };
      merges.push_back({id_of(left), id_of(right), id_of(left + right)});
    }
    return merges;
  }

 private:
  [[noreturn]] void fail(size_t place, const std::string& expected,
                         const std::string& found) const {
    throw Error({.where = where_,
                 .what = fmt::format("model.merges[{}]", place),
                 .expected = expected,
                 .found = found});
  }

  const std::string& where_;
  std::vector<std::pair<std::string, std::string>> pairs_;
};

// "added_tokens": [{"id": 0, "content": "<|endoftext|>", ...}, ...]
class AddedTable {
 public:
  explicit AddedTable(std::string where) : where_(std::move(where)) {}

  void add(const Json& entry) {
    const JsonReader reader(entry, where_, fmt::format("added_tokens[{}]", tokens_.size()));
    only_keys(reader,
              {"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
    AddedToken token{.content = reader.string("content"),
                     .id = static_cast<int32_t>(reader.integer("id", 0, kMaxVocab - 1)),
                     .special = reader.boolean("special"),
                     .strip_left = reader.boolean("lstrip"),
                     .strip_right = reader.boolean("rstrip"),
                     .single_word = reader.boolean("single_word"),
                     .normalized = reader.boolean("normalized")};
    if (token.content.empty() || token.content.size() > kMaxAddedBytes)
      reader.fail("content", fmt::format("1 to {} bytes", kMaxAddedBytes),
                  fmt::format("{}", token.content.size()));
    if (tokens_.size() == kMaxListed)
      reader.fail("id", fmt::format("at most {} added tokens", kMaxListed), "more");
    if (!contents_.insert(token.content).second)
      reader.fail("content", "each added token once", shown(token.content));
    tokens_.push_back(std::move(token));
  }

  // The library numbers tokens that the vocabulary lacks from its end on, whatever "id" says; a
  // file that says otherwise would be read in two ways.
  std::vector<AddedToken> checked(const TokenIds& ids, bool nfc) const {
    auto next = static_cast<int32_t>(ids.size());
    for (size_t i = 0; i < tokens_.size(); ++i) {
      const AddedToken& token = tokens_[i];
      const auto in_vocab = ids.find(token.content);
      const int32_t id = in_vocab != ids.end() ? in_vocab->second : next++;
      if (token.id != id)
        fail(i, "id", fmt::format("{}, the id of {}", id, shown(token.content)),
             fmt::to_string(token.id));
      if (nfc && token.normalized && to_nfc(token.content) != token.content)
        fail(i, "content", "normalization form C", shown(token.content));
    }
    return tokens_;
  }

 private:
  [[noreturn]] void fail(size_t place, const char* key, const std::string& expected,
                         const std::string& found) const {
    throw Error({.where = where_,
                 .what = fmt::format("added_tokens[{}].{}", place, key),
                 .expected = expected,
                 .found = found});
  }

  std::string where_;
  std::vector<AddedToken> tokens_;
  std::set<std::string> contents_;
};

void read_model(const JsonReader& model, const TokenIds& ids, TokenizerJson& out) {
  only_keys(model,
            {"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
             "fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges"});
  if (model.string_or("type", "BPE") != "BPE")
    model.fail("type", "\"BPE\"", describe_json(model.at("type")),
               "this kind of tokenizer is not supported");
  if (!model.at("vocab").is_object())
    model.fail("vocab", "an object", describe_json(model.at("vocab")));
  if (!model.at("merges").is_array())
    model.fail("merges", "a list", describe_json(model.at("merges")));
  if (model.number_or("dropout", 0, 0, 1) != 0)
    model.fail("dropout", "null or 0", describe_json(model.at("dropout")));
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (!model.string_or(key, "").empty())
      model.fail(key, "null", describe_json(model.at(key)), "not a byte-level tokenizer");
  if (model.has("unk_token")) {
    const auto found = ids.find(model.string("unk_token"));
    if (found == ids.end())
      model.fail("unk_token", "a token of the vocabulary", describe_json(model.at("unk_token")));
    out.unk_id = found->second;
  }
  out.fuse_unk = model.boolean_or("fuse_unk", false);
  out.byte_fallback = model.boolean_or("byte_fallback", false);
  out.ignore_merges = model.boolean_or("ignore_merges", false);
}

// Each of a Sequence's parts, or the one there is.
template <typename Read>
void for_each_part(const JsonReader& part, const char* list, const Read& read) {
  if (part.string("type") != "Sequence") return read(part);
  only_keys(part, {"type", list});
  for (const JsonReader& inner : part.objects(list)) read(inner);
}

void read_normalizer(const JsonReader& top, TokenizerJson& out) {
  if (!top.has("normalizer")) return;
  for_each_part(top.object("normalizer"), "normalizers", [&](const JsonReader& normalizer) {
    only_keys(normalizer, {"type"});
    if (normalizer.string("type") != "NFC")
      normalizer.fail("type", "\"NFC\"", describe_json(normalizer.at("type")));
    out.nfc = true;
  });
}

// TemplateProcessing: {"single": [{"SpecialToken": {"id": "<bos>", ...}}, {"Sequence": ...}], ...}
int32_t read_template(const JsonReader& processor, const TokenizerJson& out) {
  only_keys(processor, {"type", "single", "pair", "special_tokens"});
  const std::vector<JsonReader> parts = processor.objects("single");
  const auto refuse = [&] {
    processor.fail("single", "the text, with at most one token before it",
                   describe_json(processor.at("single")));
  };
  if (parts.empty() || parts.size() > 2 || !parts.back().has("Sequence")) refuse();
  if (parts.back().object("Sequence").string("id") != "A") refuse();
  if (parts.size() == 1) return -1;
  if (!parts[0].has("SpecialToken")) refuse();
  const std::string name = parts[0].object("SpecialToken").string("id");
  const JsonReader token = processor.object("special_tokens").object(name);
  const std::vector<double> ids = token.numbers("ids", 1);
  const auto limit = static_cast<double>(out.vocab.size() + out.added.size());
  if (!(ids[0] >= 0 && ids[0] < limit) ||
      ids[0] != static_cast<double>(static_cast<int32_t>(ids[0])))
    token.fail("ids", "an id of the vocabulary", describe_json(token.at("ids")));
  return static_cast<int32_t>(ids[0]);
}

void read_post_processor(const JsonReader& top, TokenizerJson& out) {
  if (!top.has("post_processor")) return;
  for_each_part(top.object("post_processor"), "processors", [&](const JsonReader& processor) {
    const std::string type = processor.string("type");
    if (type == "TemplateProcessing") {
      const int32_t bos = read_template(processor, out);
      if (bos >= 0 && out.bos_id >= 0) processor.fail("single", "one token before a text", "two");
      if (bos >= 0) out.bos_id = bos;
    } else if (type != "ByteLevel") {  // which moves offsets, not ids
      processor.fail("type", "\"TemplateProcessing\" or \"ByteLevel\"",
                     describe_json(processor.at("type")));
    }
  });
}

void check_decoder(const JsonReader& top) {
  if (!top.has("decoder")) top.fail("decoder", "\"ByteLevel\"", "none");
  for_each_part(top.object("decoder"), "decoders", [](const JsonReader& decoder) {
    if (decoder.string("type") != "ByteLevel")
      decoder.fail("type", "\"ByteLevel\"", describe_json(decoder.at("type")),
                   "only byte-level tokenizers are supported");
  });
}

}  // namespace

TokenizerJson parse_tokenizer_json(std::string_view text, const std::string& where) {
  VocabTable vocab(where);
  MergesTable merges(where);
  AddedTable added(where);
  const std::vector<JsonTable> tables = {
      {"model.vocab", [&](const std::string& token, const Json& id) { vocab.add(token, id); }},
      {"model.merges", [&](const std::string&, const Json& pair) { merges.add(pair); }},
      {"added_tokens", [&](const std::string&, const Json& token) { added.add(token); }}};
  const Json json = parse_json(text, where, tables);
  const JsonReader top(json, where);
  only_keys(top, {"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
                  "post_processor", "decoder", "model"});
  if (top.string_or("version", "1.0") != "1.0")
    top.fail("version", "\"1.0\"", describe_json(top.at("version")));

  TokenizerJson out;
  out.where = where;
  read_model(top.object("model"), vocab.ids(), out);
  read_normalizer(top, out);
  check_decoder(top);
  if (!top.has("pre_tokenizer"))
    top.fail("pre_tokenizer", "one that ends with ByteLevel", "none",
             "only byte-level tokenizers are supported");
  out.pre_tokenizer = top.object("pre_tokenizer").json();
  if (top.has("added_tokens") && !top.at("added_tokens").is_array())
    top.fail("added_tokens", "a list", describe_json(top.at("added_tokens")));
  out.vocab = vocab.by_id();
  if (out.vocab.empty()) top.fail("model", "a vocabulary", "none in model.vocab");
  out.merges = merges.with_ids(vocab.ids());
  out.added = added.checked(vocab.ids(), out.nfc);
  read_post_processor(top, out);
  return out;
}

}  // namespace tessera
