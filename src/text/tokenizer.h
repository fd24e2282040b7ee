#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/special_split.h"

namespace tessera {

/// What one id adds to the text. Views stay valid as long as the tokenizer.
struct Fragment {
  enum class Kind {
    kHidden,  ///< nothing: the text reads as if the id were not there
    kText,    ///< whole characters (maybe none); ends a run of bytes
    kBytes,   ///< bytes of a character that neighbouring ids may complete
  };
  Kind kind = Kind::kHidden;
  std::string_view bytes;
  bool begins_with_space = false;  ///< a space that the beginning of a text may drop
};

/// What a text loses at its beginning when ids are turned into it.
enum class LeadingSpace {
  kKeep,
  kDropOne,          ///< of the first fragment that has one, unless text came before it
  kDropOnePerPiece,  ///< of each fragment, until there is text
};

/// What one U+FFFD stands for where ids give bytes that are no character.
enum class Replaced {
  kByte,      ///< each byte, as sentencepiece does it
  kSequence,  ///< as many bytes as begin a character that then goes on wrongly (unicode.h)
};

/// Turns text into token ids and back. Immutable once open: any thread may use it. There are two
/// kinds: SentencePiece (tokenizer.model, sentencepiece_tokenizer.h) and byte-level BPE
/// (tokenizer.json, bpe_tokenizer.h).
class Tokenizer {
 public:
  /// Opens the tokenizer of a checkpoint folder: tokenizer.model where there is one, else
  /// tokenizer.json, and with either what is there of tokenizer_config.json,
  /// special_tokens_map.json and (with tokenizer.model) added_tokens.json. Throws Error that names
  /// the file when the tokenizer is absent, damaged or of a kind that Tessera does not know.
  static std::unique_ptr<Tokenizer> open(const std::string& model_dir);

  virtual ~Tokenizer() = default;

  enum class Specials {
    kParse,   ///< "<|im_end|>" in the text becomes its one id, as the reference does it
    kAsText,  ///< it stays text: for input that must not steer the model
  };
  /// No bos is added: whoever builds a prompt asks add_bos(). `text` should be UTF-8; what is not
  /// reads as U+FFFD (replaced() says how many). Throws Error above kMaxTextBytes.
  std::vector<int32_t> encode(std::string_view text, Specials specials) const;
  static constexpr size_t kMaxTextBytes = 1 << 20;

  /// The ids of all parts put together as one text, of which some are parsed and some are not.
  struct Part {
    std::string_view text;
    Specials specials;
  };
  std::vector<int32_t> encode(std::span<const Part> parts) const;

  virtual int64_t vocab_size() const = 0;  ///< ids are 0 .. vocab_size() - 1
  virtual bool add_bos() const = 0;        ///< a prompt begins with bos_id()
  virtual int32_t bos_id() const = 0;      ///< -1: none
  virtual int32_t eos_id() const = 0;      ///< -1: none

  /// The text of all ids, special ones left out; always valid UTF-8. The same as an
  /// IncrementalDecoder gives piece by piece. An id outside the vocabulary adds nothing: a model
  /// may have more rows than its tokenizer has pieces, and sample one.
  std::string decode(std::span<const int32_t> ids) const;

  // What a decoder needs.
  virtual Fragment fragment(int32_t id) const = 0;
  virtual Fragment first_fragment(
      int32_t id) const = 0;  ///< when no id but hidden ones came before
  virtual LeadingSpace leading_space() const = 0;
  virtual Replaced replaced() const = 0;

  /// The id of a token that the vocabulary spells so; -1: none.
  virtual int32_t id_of(std::string_view token) const = 0;

  /// The id stands for ordinary text: a piece, or a byte, that no file makes a token of its own.
  virtual bool is_text(int32_t id) const = 0;
  virtual const std::string& file() const = 0;  ///< that the pieces come from; errors name it

 private:
  /// `text` is no longer than kMaxTextBytes.
  virtual std::vector<int32_t> encode_stretches(std::string_view text,
                                                std::span<const Stretch> stretches) const = 0;
};

}  // namespace tessera
