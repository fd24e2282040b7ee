#include "text/bpe_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

#include "base/file.h"
#include "tessera/error.h"
#include "text/byte_alphabet.h"
#include "text/nfc.h"
#include "text/pre_tokenizer.h"
#include "text/unicode.h"

namespace tessera {
namespace {

constexpr uint64_t kMaxTokenizerBytes = 64 << 20;

// The tokens that a byte becomes before any merge: one; several, spelled as "<0xC4>"; or none.
struct ByteTokens {
  std::vector<int32_t> ids;
  bool fallback = false;
};

SpecialSplit split_for(const std::vector<AddedToken>& added, bool normalized) {
  std::vector<AddedToken> tokens;
  for (const AddedToken& token : added)
    if (token.normalized == normalized) tokens.push_back(token);
  return {std::move(tokens), SpecialSplit::Rules::kRust};
}

// The stretches of a part of the text that begins at `begin`.
std::vector<Stretch> stretches_of(std::string_view part, size_t begin,
                                  std::span<const Stretch> stretches) {
  auto stretch = std::upper_bound(
      stretches.begin(), stretches.end(), begin,
      [](size_t place, const Stretch& candidate) { return place < candidate.end; });
  std::vector<Stretch> inside;
  size_t end = 0;
  for (; end < part.size(); ++stretch) {
    end = std::min(stretch->end - begin, part.size());
    inside.push_back({end, stretch->parse});
  }
  return inside;
}

class BpeTokenizer final : public Tokenizer {
 public:
  BpeTokenizer(TokenizerJson json, const TokenNames& names);

  int64_t vocab_size() const override { return static_cast<int64_t>(entries_.size()); }
  bool add_bos() const override { return add_bos_; }
  int32_t bos_id() const override { return bos_id_; }
  int32_t eos_id() const override { return eos_id_; }
  Fragment fragment(int32_t id) const override;
  Fragment first_fragment(int32_t id) const override { return fragment(id); }
  LeadingSpace leading_space() const override { return LeadingSpace::kKeep; }
  Replaced replaced() const override { return Replaced::kSequence; }
  int32_t id_of(std::string_view token) const override;
  bool is_text(int32_t id) const override;
  const std::string& file() const override { return json_.where; }

 private:
  struct Entry {
    bool special = false;
    std::string bytes;
  };
  struct Work;

  std::vector<int32_t> encode_stretches(std::string_view text,
                                        std::span<const Stretch> stretches) const override;
  void encode_run(std::string_view run, std::span<const Stretch> stretches, Work& work) const;
  void encode_word(std::string_view word, Work& work) const;

  void fill_ids();
  void fill_entries();
  void fill_byte_tokens();
  void set_named(const TokenNames& names);

  const TokenizerJson json_;
  const PreTokenizer pre_tokenizer_;
  const BpeMerges merges_;
  const SpecialSplit split_, normalized_split_;
  std::unordered_map<std::string_view, int32_t> ids_;    // views of json_'s vocab and added tokens
  std::unordered_map<std::string_view, int32_t> words_;  // views of entries_' bytes; ignore_merges
  std::vector<Entry> entries_;                           // by id
  std::array<ByteTokens, 256> byte_tokens_;
  bool add_bos_ = false;
  int32_t bos_id_ = -1, eos_id_ = -1;
};

// What one call of encode needs from word to word.
struct BpeTokenizer::Work {
  std::vector<int32_t> ids, word;
  BpeMerges::Scratch scratch;
};

BpeTokenizer::BpeTokenizer(TokenizerJson json, const TokenNames& names)
    : json_(std::move(json)),
      pre_tokenizer_(JsonReader(json_.pre_tokenizer, json_.where, "pre_tokenizer")),
      merges_(json_.merges, json_.vocab.size()),
      split_(split_for(json_.added, false)),
      normalized_split_(split_for(json_.added, true)) {
  fill_ids();
  fill_entries();
  fill_byte_tokens();
  set_named(names);
}

void BpeTokenizer::fill_ids() {
  ids_.reserve(json_.vocab.size() + json_.added.size());
  for (size_t id = 0; id < json_.vocab.size(); ++id)
    ids_.emplace(json_.vocab[id], static_cast<int32_t>(id));
  for (const AddedToken& token : json_.added) ids_.emplace(token.content, token.id);
}

void BpeTokenizer::fill_entries() {
  const auto bytes_of = [](const std::string& token) {
    return spelled_bytes(token).value_or(token);
  };
  entries_.reserve(json_.vocab.size() + json_.added.size());
  for (const std::string& token : json_.vocab) entries_.push_back({false, bytes_of(token)});
  for (const AddedToken& token : json_.added) {
    const auto id = static_cast<size_t>(token.id);
    if (id >= entries_.size()) entries_.resize(id + 1);
    entries_[id] = {token.special, bytes_of(token.content)};
  }
  if (!json_.ignore_merges) return;
  words_.reserve(json_.vocab.size());
  for (size_t id = 0; id < json_.vocab.size(); ++id)
    if (spelled_bytes(json_.vocab[id]))
      words_.emplace(entries_[id].bytes, static_cast<int32_t>(id));
}

void BpeTokenizer::fill_byte_tokens() {
  const auto vocab_id = [&](std::string_view token) {
    const int32_t id = id_of(token);
    return id < static_cast<int32_t>(json_.vocab.size()) ? id : -1;
  };
  for (size_t byte = 0; byte < 256; ++byte) {
    ByteTokens& tokens = byte_tokens_[byte];
    const std::string_view spelling = spell_byte(static_cast<unsigned char>(byte));
    if (const int32_t id = vocab_id(spelling); id >= 0) {
      tokens.ids = {id};
    } else if (json_.byte_fallback) {
      // The bytes of the character that spells it, not the byte itself.
      for (const char part : spelling)
        tokens.ids.push_back(vocab_id(fmt::format("<0x{:02X}>", static_cast<uint8_t>(part))));
      tokens.fallback = std::count(tokens.ids.begin(), tokens.ids.end(), -1) == 0;
      if (!tokens.fallback) tokens.ids.clear();
    }
  }
}

void BpeTokenizer::set_named(const TokenNames& names) {
  const auto find = [&](const std::string& name, const char* key) {
    const int32_t id = name.empty() ? -1 : id_of(name);
    if (id < 0 && !name.empty())
      throw Error({.where = names.where,
                   .what = key,
                   .expected = "a token of the vocabulary",
                   .found = describe_json(Json(name)),
                   .hint = "tokenizer.json of another model?"});
    return id;
  };
  bos_id_ = find(names.bos, "bos_token");
  eos_id_ = find(names.eos, "eos_token");
  if (names.add_bos.value_or(false) && bos_id_ < 0)
    throw Error({.where = names.where,
                 .what = "add_bos_token",
                 .expected = "false, as no bos_token is named",
                 .found = "true"});
  if (!names.add_bos && json_.bos_id >= 0) bos_id_ = json_.bos_id;
  add_bos_ = names.add_bos.value_or(json_.bos_id >= 0);
}

int32_t BpeTokenizer::id_of(std::string_view token) const {
  const auto found = ids_.find(token);
  return found == ids_.end() ? -1 : found->second;
}

bool BpeTokenizer::is_text(int32_t id) const {
  if (id < 0 || static_cast<size_t>(id) >= json_.vocab.size()) return false;
  if (id == bos_id_ || id == eos_id_ || id == json_.unk_id) return false;
  return std::none_of(json_.added.begin(), json_.added.end(),
                      [&](const AddedToken& token) { return token.id == id; });
}

std::vector<int32_t> BpeTokenizer::encode_stretches(std::string_view text,
                                                    std::span<const Stretch> stretches) const {
  std::string valid;
  std::vector<Stretch> moved;
  if (!is_valid_utf8(text)) {
    // Stretches are whole texts, so each is mended by itself.
    size_t begin = 0;
    for (const Stretch& stretch : stretches) {
      valid += to_valid_utf8(text.substr(begin, stretch.end - begin));
      moved.push_back({valid.size(), stretch.parse});
      begin = stretch.end;
    }
    text = valid;
    stretches = moved;
  }
  Work work;
  const auto on_run = [&](std::string_view run) {
    const auto begin = static_cast<size_t>(run.data() - text.data());
    const std::vector<Stretch> inside = stretches_of(run, begin, stretches);
    if (!json_.nfc) return encode_run(run, inside, work);
    // Normalising moves what stands behind it, so the run is parsed as a whole or not at all.
    const std::string normal = to_nfc(run);
    const bool parse = std::all_of(inside.begin(), inside.end(),
                                   [](const Stretch& stretch) { return stretch.parse; });
    const Stretch whole{normal.size(), parse};
    encode_run(normal, {&whole, 1}, work);
  };
  split_.split(text, stretches, on_run,
               [&](const AddedToken& token) { work.ids.push_back(token.id); });
  return std::move(work.ids);
}

void BpeTokenizer::encode_run(std::string_view run, std::span<const Stretch> stretches,
                              Work& work) const {
  normalized_split_.split(
      run, stretches,
      [&](std::string_view part) {
        pre_tokenizer_.split(part, [&](std::string_view word) { encode_word(word, work); });
      },
      [&](const AddedToken& token) { work.ids.push_back(token.id); });
}

void BpeTokenizer::encode_word(std::string_view word, Work& work) const {
  if (json_.ignore_merges) {
    const auto found = words_.find(word);
    if (found != words_.end()) return work.ids.push_back(found->second);
  }
  work.word.clear();
  bool unknown = false;  // an unk_id is due, and comes before the next known byte
  const auto settle = [&] {
    if (unknown) work.word.push_back(json_.unk_id);
    unknown = false;
  };
  for (const char c : word) {
    const ByteTokens& tokens = byte_tokens_[static_cast<uint8_t>(c)];
    if (tokens.ids.empty()) {
      if (json_.unk_id < 0) continue;
      if (!json_.fuse_unk) settle();
      unknown = true;
      continue;
    }
    // As in the library, tokens that a byte falls back to overtake an unk_id that is due.
    if (!tokens.fallback) settle();
    work.word.insert(work.word.end(), tokens.ids.begin(), tokens.ids.end());
  }
  settle();
  merges_.apply(work.word, work.scratch);
  work.ids.insert(work.ids.end(), work.word.begin(), work.word.end());
}

Fragment BpeTokenizer::fragment(int32_t id) const {
  if (id < 0 || id >= vocab_size()) return {};
  const Entry& entry = entries_[static_cast<size_t>(id)];
  if (entry.special) return {};
  return {Fragment::Kind::kBytes, entry.bytes, false};
}

}  // namespace

std::unique_ptr<Tokenizer> make_bpe_tokenizer(TokenizerJson json, const TokenNames& names) {
  return std::make_unique<BpeTokenizer>(std::move(json), names);
}

std::unique_ptr<Tokenizer> open_bpe_tokenizer(const std::string& model_dir) {
  const std::string path = model_dir + "/tokenizer.json";
  return make_bpe_tokenizer(parse_tokenizer_json(read_file(path, kMaxTokenizerBytes), path),
                            read_token_names(model_dir));
}

}  // namespace tessera
