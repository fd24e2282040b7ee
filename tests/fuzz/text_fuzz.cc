// Any text, any ids, any stop strings: what comes out is UTF-8, streams as it decodes, and is cut
// where a plain search cuts it.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tessera/error.h"
#include "text/answer_trim.h"
#include "text/incremental_decoder.h"
#include "text/sentencepiece_tokenizer.h"
#include "text/stop_filter.h"
#include "text/unicode.h"

namespace tessera {
namespace {

// All bytes, some pieces with and without a space, a special token. No prefix.
std::unique_ptr<Tokenizer> make_tokenizer() {
  using Type = SentencePieceModel::Type;
  SentencePieceModel model;
  model.pieces = {{"<unk>", 0, Type::kUnknown}, {"<s>", 0, Type::kControl}};
  for (int byte = 0; byte < 256; ++byte) {
    constexpr char kHex[] = "0123456789ABCDEF";
    model.pieces.push_back(
        {std::string("<0x") + kHex[byte / 16] + kHex[byte % 16] + ">", 0, Type::kByte});
  }
  float score = 0;
  for (const char* piece :
       {"\u2581", "a", "b", "ab", "\u2581a", "#", "##", "###", "红", "\u2581\u2581"})
    model.pieces.push_back({piece, --score, Type::kNormal});
  model.pieces.push_back({"<|im_end|>", 0, Type::kUserDefined});
  model.unk_id = 0;
  model.bos_id = 1;
  model.byte_fallback = true;
  model.add_dummy_prefix = model.remove_extra_whitespaces = false;
  TokenizerConfig config;
  config.where = "fuzz";
  config.other_names = {"<|im_end|>"};
  return make_sentencepiece_tokenizer(std::move(model), std::move(config));
}

void require(bool holds) {
  if (!holds) __builtin_trap();
}

// Lone bytes become U+FFFD in both directions, so only valid text comes back as it was; one space
// at the very beginning is lost, as in the reference.
void check_round_trip(const Tokenizer& tokenizer, std::string_view text) {
  const auto ids = tokenizer.encode(text, Tokenizer::Specials::kAsText);
  const std::string back = tokenizer.decode(ids);
  require(is_valid_utf8(back));
  if (!is_valid_utf8(text) || text.find("\u2581") != text.npos) return;
  require(back == (text.starts_with(' ') ? text.substr(1) : text));
}

void check_streaming(const Tokenizer& tokenizer, std::string_view data, const std::string& stop) {
  std::vector<int32_t> ids;
  for (const char c : data) {
    const auto byte = static_cast<uint8_t>(c);
    ids.push_back(byte < 0xB0 ? byte % 16 + 255 : 2 + byte);  // about pieces, or the byte itself
  }
  const std::string whole = tokenizer.decode(ids);
  IncrementalDecoder decoder(tokenizer);
  const std::vector<std::string> stops = {stop, "###"};
  StopFilter stop_filter(stops);
  StripFilter strip_filter;
  std::string decoded, kept, answer;
  const auto take = [&](const std::string& text) {
    require(is_valid_utf8(text));
    decoded += text;
    const std::string passed = stop_filter.push(text);
    kept += passed;
    answer += strip_filter.push(passed);
  };
  for (const int32_t id : ids) take(decoder.push(id));
  take(decoder.finish());
  const std::string rest = stop_filter.finish();
  kept += rest;
  answer += strip_filter.push(rest);
  require(decoded == whole);
  require(answer == strip(kept));
  const bool found = whole.find(stop) != whole.npos || whole.find("###") != whole.npos;
  require(stop_filter.stopped() == found);
  require(found ? whole.starts_with(kept + stop_filter.stop()) : kept == whole);
  require(kept.find(stop) == kept.npos && kept.find("###") == kept.npos);
}

}  // namespace
}  // namespace tessera

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tessera;
  static const std::unique_ptr<Tokenizer> tokenizer = make_tokenizer();
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string stop(bytes.substr(0, bytes.find('\n')));
  try {
    check_round_trip(*tokenizer, bytes);
    if (is_valid_utf8(stop)) check_streaming(*tokenizer, bytes, stop);
  } catch (const Error&) {
  }
  return 0;
}
