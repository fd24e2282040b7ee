// Any text, cut into parts anywhere: byte-level BPE gives it back, whole and as it streams.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tessera/error.h"
#include "text/bpe_tokenizer.h"
#include "text/byte_alphabet.h"
#include "text/incremental_decoder.h"
#include "text/unicode.h"

namespace tessera {
namespace {

// All bytes, some merges, a special token; words as Llama 3 cuts them.
std::unique_ptr<Tokenizer> make_tokenizer() {
  TokenizerJson json;
  for (int byte = 0; byte < 256; ++byte)
    json.vocab.emplace_back(spell_byte(static_cast<unsigned char>(byte)));
  const auto merge = [&](int32_t left, int32_t right) {
    const auto merged = static_cast<int32_t>(json.vocab.size());
    json.vocab.push_back(json.vocab[static_cast<size_t>(left)] +
                         json.vocab[static_cast<size_t>(right)]);
    json.merges.push_back({left, right, merged});
    return merged;
  };
  merge(' ', merge('a', 'b'));
  merge(merge('\n', '\n'), merge(' ', ' '));
  merge(merge(0xE7, 0xBA), 0xA2);  // 红
  merge('1', '2');
  json.added = {
      {.content = "<|end|>", .id = static_cast<int32_t>(json.vocab.size()), .special = true}};
  json.pre_tokenizer = parse_json(
      R"({"type": "Sequence", "pretokenizers": [{"type": "Split", "behavior": "Isolated", "invert": false,
          "pattern": {"Regex": "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}},
          {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}]})",
      "fuzz");
  json.where = "fuzz";
  return make_bpe_tokenizer(std::move(json), {});
}

void require(bool holds) {
  if (!holds) __builtin_trap();
}

void check_round_trip(const Tokenizer& tokenizer, std::string_view text) {
  const auto ids = tokenizer.encode(text, Tokenizer::Specials::kAsText);
  require(tokenizer.decode(ids) == to_valid_utf8(text));
  if (text.find("<|end|>") == text.npos)
    require(tokenizer.encode(text, Tokenizer::Specials::kParse) == ids);
}

// Parts that are all text are one text, wherever it is cut between characters.
void check_parts(const Tokenizer& tokenizer, std::string_view text, size_t step) {
  std::vector<Tokenizer::Part> parts;
  for (std::string_view rest = text; !rest.empty();) {
    size_t bytes = 0;
    for (size_t i = 0; i <= step && bytes < rest.size(); ++i)
      bytes += read_utf8(rest.substr(bytes)).bytes;
    parts.push_back({rest.substr(0, bytes), Tokenizer::Specials::kAsText});
    rest.remove_prefix(bytes);
  }
  require(tokenizer.encode(parts) == tokenizer.encode(text, Tokenizer::Specials::kAsText));
}

void check_streaming(const Tokenizer& tokenizer, std::string_view data) {
  std::vector<int32_t> ids;
  for (const char c : data) {
    const auto byte = static_cast<uint8_t>(c);
    ids.push_back(byte % 8 == 0 ? 255 + byte / 8 : byte);  // about merges, or a byte
  }
  IncrementalDecoder decoder(tokenizer);
  std::string streamed, bytes;
  for (const int32_t id : ids) {
    const std::string piece = decoder.push(id);
    require(is_valid_utf8(piece));
    streamed += piece;
    bytes += tokenizer.fragment(id).bytes;
  }
  streamed += decoder.finish();
  require(streamed == tokenizer.decode(ids));
  require(streamed == to_valid_utf8(bytes));
}

}  // namespace
}  // namespace tessera

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tessera;
  static const std::unique_ptr<Tokenizer> tokenizer = make_tokenizer();
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    check_round_trip(*tokenizer, bytes);
    if (is_valid_utf8(bytes)) check_parts(*tokenizer, bytes, size % 7);
    check_streaming(*tokenizer, bytes);
  } catch (const Error&) {
  }
  return 0;
}
