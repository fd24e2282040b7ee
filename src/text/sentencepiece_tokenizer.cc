#include "text/sentencepiece_tokenizer.h"

#include <fmt/format.h>
#include <sentencepiece_processor.h>

#include <algorithm>
#include <exception>
#include <unordered_map>

#include "base/file.h"
#include "base/json.h"
#include "tessera/error.h"
#include "text/special_split.h"

namespace tessera {
namespace {

using Type = SentencePieceModel::Type;

constexpr uint64_t kMaxModelBytes = 64 << 20;

// The sentencepiece library, given a model that was checked.
class Processor {
 public:
  Processor(const SentencePieceModel& model, const std::string& where) {
    std::string reason;
    try {
      const auto status = processor_.LoadFromSerializedProto(serialize_sentencepiece_model(model));
      if (status.ok()) return;
      reason = status.error_message();
    } catch (const std::exception& e) {
      reason = e.what();
    }
    throw Error({.where = where, .what = "sentencepiece refuses the model", .found = reason});
  }

  void encode(std::string_view text, std::vector<int32_t>& ids) const {
    std::vector<int> run;
    const auto status = processor_.Encode(text, &run);
    if (!status.ok())
      throw Error({.where = "tokenizer", .what = "cannot encode", .found = status.error_message()});
    ids.insert(ids.end(), run.begin(), run.end());
  }

 private:
  sentencepiece::SentencePieceProcessor processor_;
};

std::string replace_space_marker(std::string_view piece) {
  std::string text;
  for (size_t at = 0; at < piece.size();) {
    const size_t marker = std::min(piece.find(kSpaceMarker, at), piece.size());
    text += piece.substr(at, marker - at);
    if (marker < piece.size()) text += ' ';
    at = marker + kSpaceMarker.size();
  }
  return text;
}

class SentencePieceTokenizer final : public Tokenizer {
 public:
  SentencePieceTokenizer(SentencePieceModel model, TokenizerConfig config);

  int64_t vocab_size() const override { return static_cast<int64_t>(entries_.size()); }
  bool add_bos() const override { return config_.add_bos; }
  int32_t bos_id() const override { return bos_id_; }
  int32_t eos_id() const override { return eos_id_; }
  Fragment fragment(int32_t id) const override;
  Fragment first_fragment(int32_t id) const override;
  LeadingSpace leading_space() const override;
  Replaced replaced() const override { return Replaced::kByte; }
  int32_t id_of(std::string_view token) const override;
  bool is_text(int32_t id) const override;
  const std::string& file() const override { return model_.where; }

 private:
  std::vector<int32_t> encode_stretches(std::string_view text,
                                        std::span<const Stretch> stretches) const override;
  struct Entry {
    Fragment::Kind kind = Fragment::Kind::kHidden;
    std::string spelling;  // the piece, with U+2581
    std::string bytes;     // what it adds to a text
  };

  void fill_entries();
  void apply_added_tokens();
  bool is_text_piece(int32_t id) const;
  int32_t named_id(const std::string& name, const std::string& key) const;
  void make_special(int32_t id);

  SentencePieceModel model_;
  TokenizerConfig config_;
  std::vector<Entry> entries_;                         // by id
  std::unordered_map<std::string_view, int32_t> ids_;  // views of entries_' spellings
  int32_t bos_id_ = -1, eos_id_ = -1;
  SpecialSplit split_{{}, SpecialSplit::Rules::kPython};
  std::unique_ptr<Processor> processor_;
  std::unique_ptr<Processor> blind_processor_;  // finds no special string; null: no need of one
};

SentencePieceTokenizer::SentencePieceTokenizer(SentencePieceModel model, TokenizerConfig config)
    : model_(std::move(model)), config_(std::move(config)) {
  fill_entries();
  apply_added_tokens();
  bos_id_ = config_.bos.empty() ? model_.bos_id : named_id(config_.bos, "bos_token");
  eos_id_ = config_.eos.empty() ? model_.eos_id : named_id(config_.eos, "eos_token");
  if (config_.add_bos && bos_id_ < 0)
    throw Error({.where = config_.where,
                 .what = "add_bos_token",
                 .expected = "false, as the tokenizer has no bos token",
                 .found = "true"});
  make_special(bos_id_);
  make_special(eos_id_);
  make_special(config_.unk.empty() ? model_.unk_id : named_id(config_.unk, "unk_token"));
  for (const std::string& name : config_.other_names) {
    const auto found = ids_.find(name);
    if (found != ids_.end()) make_special(found->second);
  }

  SentencePieceModel encoding = model_;
  // In the newer behaviour the space before the text is put there by encode(), once.
  if (!config_.legacy) encoding.add_dummy_prefix = false;
  processor_ = std::make_unique<Processor>(encoding, config_.where);
  bool any = false;
  for (const AddedToken& token : config_.added) {
    const auto id = static_cast<size_t>(token.id);
    if (!token.special || id >= model_.pieces.size()) continue;
    if (encoding.pieces[id].type != Type::kUserDefined) continue;
    encoding.pieces[id].type = Type::kControl;
    any = true;
  }
  if (any) blind_processor_ = std::make_unique<Processor>(encoding, config_.where);
  split_ = SpecialSplit(config_.added, SpecialSplit::Rules::kPython);
}

void SentencePieceTokenizer::fill_entries() {
  entries_.resize(model_.pieces.size());
  for (size_t id = 0; id < entries_.size(); ++id) {
    const SentencePieceModel::Piece& piece = model_.pieces[id];
    Entry& entry = entries_[id];
    entry.spelling = piece.text;
    switch (piece.type) {
      case Type::kControl:  // without a place among the special tokens: adds an empty text
        entry.kind = Fragment::Kind::kText;
        break;
      case Type::kByte:
        entry.kind = Fragment::Kind::kBytes;
        entry.bytes.push_back(static_cast<char>(byte_of_piece(piece.text)));
        break;
      default:
        entry.kind = Fragment::Kind::kText;
        entry.bytes = replace_space_marker(piece.text);
    }
  }
}

void SentencePieceTokenizer::apply_added_tokens() {
  // Ids beyond tokenizer.model follow it without a gap.
  const size_t limit = entries_.size() + config_.added.size();
  for (const AddedToken& token : config_.added) {
    const auto id = static_cast<size_t>(token.id);
    if (id >= limit)
      throw Error({.where = config_.where,
                   .what = fmt::format("added token {}", describe_json(token.content)),
                   .expected = fmt::format("an id below {}", limit),
                   .found = fmt::format("{}", token.id),
                   .hint = "tokenizer of another model?"});
    if (id >= entries_.size()) entries_.resize(id + 1);
    if (entries_[id].spelling == token.content) continue;
    if (is_text_piece(token.id))
      throw Error({.where = model_.where,
                   .what = fmt::format("piece {}", token.id),
                   .expected = fmt::format("the added token {}", describe_json(token.content)),
                   .found = describe_json(entries_[id].spelling),
                   .hint = "tokenizer of another model?"});
    entries_[id] = {Fragment::Kind::kText, token.content, token.content};
  }
  ids_.reserve(entries_.size());
  for (size_t id = 0; id < entries_.size(); ++id)
    ids_.try_emplace(entries_[id].spelling, static_cast<int32_t>(id));
  for (const AddedToken& token : config_.added) {
    ids_[entries_[static_cast<size_t>(token.id)].spelling] = token.id;
    if (token.special) entries_[static_cast<size_t>(token.id)].kind = Fragment::Kind::kHidden;
  }
}

// Ids that a training sets aside (control, user-defined, unused) may be renamed. A piece or a byte
// that text is made of may not: another model's added tokens would take it away.
bool SentencePieceTokenizer::is_text_piece(int32_t id) const {
  if (id < 0 || static_cast<size_t>(id) >= model_.pieces.size()) return false;
  const Type type = model_.pieces[static_cast<size_t>(id)].type;
  return type == Type::kNormal || type == Type::kByte;
}

bool SentencePieceTokenizer::is_text(int32_t id) const {
  return is_text_piece(id) && std::none_of(config_.added.begin(), config_.added.end(),
                                           [&](const AddedToken& token) { return token.id == id; });
}

int32_t SentencePieceTokenizer::id_of(std::string_view token) const {
  const auto found = ids_.find(token);
  return found == ids_.end() ? -1 : found->second;
}

int32_t SentencePieceTokenizer::named_id(const std::string& name, const std::string& key) const {
  const int32_t id = id_of(name);
  if (id < 0)
    throw Error({.where = config_.where,
                 .what = key,
                 .expected = "a token of the vocabulary",
                 .found = describe_json(name),
                 .hint = "tokenizer.model of another model?"});
  return id;
}

// Special tokens vanish from the text of ids, and are found in text whether or not a file lists
// them among the added ones.
void SentencePieceTokenizer::make_special(int32_t id) {
  if (id < 0) return;
  Entry& entry = entries_[static_cast<size_t>(id)];
  entry.kind = Fragment::Kind::kHidden;
  const bool listed = std::any_of(config_.added.begin(), config_.added.end(),
                                  [&](const AddedToken& token) { return token.id == id; });
  if (!listed) config_.added.push_back({.content = entry.spelling, .id = id, .special = true});
}

std::vector<int32_t> SentencePieceTokenizer::encode_stretches(
    std::string_view text, std::span<const Stretch> stretches) const {
  const bool parse = std::all_of(stretches.begin(), stretches.end(),
                                 [](const Stretch& stretch) { return stretch.parse; });
  const Processor& processor = !parse && blind_processor_ ? *blind_processor_ : *processor_;
  std::vector<int32_t> ids;
  bool at_start = true;
  const auto encode_run = [&](std::string_view run) {
    if (at_start && !config_.legacy && config_.add_prefix_space)
      processor.encode(std::string(kSpaceMarker).append(run), ids);
    else
      processor.encode(run, ids);
    at_start = false;
  };
  split_.split(text, stretches, encode_run, [&](const AddedToken& token) {
    ids.push_back(token.id);
    at_start = false;
  });
  return ids;
}

Fragment SentencePieceTokenizer::fragment(int32_t id) const {
  if (id < 0 || id >= vocab_size()) return {};
  const Entry& entry = entries_[static_cast<size_t>(id)];
  if (entry.kind == Fragment::Kind::kHidden) return {};
  return {entry.kind, entry.bytes,
          entry.bytes.starts_with(' ') && entry.spelling.starts_with(kSpaceMarker)};
}

// Python's LlamaTokenizer takes one U+2581 off the first piece and hands the rest, as a string, to
// sentencepiece: which may know it as another piece, or copies it as it is.
Fragment SentencePieceTokenizer::first_fragment(int32_t id) const {
  const Fragment whole = fragment(id);
  if (!whole.begins_with_space) return whole;
  const std::string_view rest =
      std::string_view(entries_[static_cast<size_t>(id)].spelling).substr(kSpaceMarker.size());
  const auto found = ids_.find(rest);
  if (found == ids_.end()) return {Fragment::Kind::kText, rest, false};
  const Fragment as_piece = fragment(found->second);
  // A special token's spelling is shown: only its id is left out, and the id was another.
  if (as_piece.kind == Fragment::Kind::kHidden) return {Fragment::Kind::kText, rest, false};
  return as_piece;
}

LeadingSpace SentencePieceTokenizer::leading_space() const {
  if (model_.remove_extra_whitespaces) return LeadingSpace::kDropOnePerPiece;
  return model_.add_dummy_prefix ? LeadingSpace::kDropOne : LeadingSpace::kKeep;
}

}  // namespace

std::unique_ptr<Tokenizer> make_sentencepiece_tokenizer(SentencePieceModel model,
                                                        TokenizerConfig config) {
  return std::make_unique<SentencePieceTokenizer>(std::move(model), std::move(config));
}

std::unique_ptr<Tokenizer> open_sentencepiece_tokenizer(const std::string& model_dir) {
  const std::string path = model_dir + "/tokenizer.model";
  SentencePieceModel model = parse_sentencepiece_model(read_file(path, kMaxModelBytes), path);
  return make_sentencepiece_tokenizer(std::move(model), read_tokenizer_config(model_dir));
}

}  // namespace tessera
