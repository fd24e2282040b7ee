#include "runtime/check_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"
#include "tessera/error.h"

namespace tessera {
namespace {

constexpr int64_t kMostPadding = 256, kShareWithoutPiece = 16;

[[noreturn]] void fail(const Tokenizer& tokenizer, const std::string& what,
                       const std::string& expected, const std::string& found) {
  throw Error({.where = tokenizer.file(),
               .what = what,
               .expected = expected,
               .found = found,
               .hint = "tokenizer of another model?"});
}

void check_size(const Tokenizer& tokenizer, int64_t ids) {
  const int64_t pieces = tokenizer.vocab_size(), without = ids - pieces;
  const int64_t multiple = std::min(ids & -ids, kMostPadding);  // a power of two that divides ids
  const int64_t most = std::max(multiple - 1, ids / kShareWithoutPiece);
  if (without < 0)
    fail(tokenizer, "vocabulary", fmt::format("at most the model's {} ids", ids),
         fmt::format("{}", pieces));
  if (without > most)
    fail(tokenizer, "vocabulary",
         fmt::format("{} to {} pieces for the model's {} ids", ids - most, ids, ids),
         fmt::format("{}", pieces));
}

std::string named(const char* name, int64_t id) {
  return fmt::format("{} {} of the model's configuration", name, id);
}

void check_has_piece(const Tokenizer& tokenizer, const char* name, int64_t id) {
  if (id >= tokenizer.vocab_size())
    fail(tokenizer, named(name, id), "a piece", fmt::format("{} pieces", tokenizer.vocab_size()));
}

void check_one_is_special(const Tokenizer& tokenizer, const char* name,
                          const std::vector<int64_t>& ids) {
  for (const int64_t id : ids) check_has_piece(tokenizer, name, id);
  const auto is_text = [&](int64_t id) { return tokenizer.is_text(static_cast<int32_t>(id)); };
  if (!std::ranges::all_of(ids, is_text)) return;
  const std::string text(tokenizer.fragment(static_cast<int32_t>(ids.front())).bytes);
  fail(tokenizer, named(name, ids.front()), "a special token",
       fmt::format("the text {}", describe_json(text)));
}

}  // namespace

void check_tokenizer(const Tokenizer& tokenizer, const ModelConfig& config) {
  const DecoderConfig& decoder = config.decoder;
  check_size(tokenizer, decoder.vocab);
  if (decoder.bos_id >= 0) check_one_is_special(tokenizer, "bos_token_id", {decoder.bos_id});
  const std::vector<int64_t>& others = config.generation.eos_ids;
  if (!decoder.eos_assumed || others.empty())
    check_one_is_special(tokenizer, "eos_token_id", decoder.eos_ids);
  for (const int64_t id : others) check_has_piece(tokenizer, "eos_token_id", id);
  if (decoder.pad_id >= 0) check_has_piece(tokenizer, "pad_token_id", decoder.pad_id);
}

}  // namespace tessera
