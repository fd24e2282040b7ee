#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

/// U+2581 in UTF-8: how a piece spells a space.
inline constexpr std::string_view kSpaceMarker = "\xE2\x96\x81";

/// A SentencePiece BPE model as read from tokenizer.model and checked: the pieces and the switches
/// that change how text is encoded and decoded. Plain data.
/// Source of the format: sentencepiece_model.proto of github.com/google/sentencepiece.
struct SentencePieceModel {
  enum class Type : uint8_t {
    kNormal = 1,
    kUnknown = 2,
    kControl = 3,      ///< never found in text
    kUserDefined = 4,  ///< found in text before any merge, and never merged
    kUnused = 5,
    kByte = 6,  ///< spelled "<0x41>"; stands for one byte of a character without a piece
  };
  struct Piece {
    std::string text;  ///< valid UTF-8, not empty, no NUL; no two pieces are equal
    float score;       ///< of two possible merges the higher goes first
    Type type;
  };

  std::vector<Piece> pieces;  ///< by id
  int32_t unk_id = -1;        ///< always there
  int32_t bos_id = -1;        ///< -1: the model has none
  int32_t eos_id = -1;
  bool byte_fallback = false;            ///< when true, all 256 byte pieces are there
  bool add_dummy_prefix = true;          ///< text is encoded as if a space stood before it
  bool remove_extra_whitespaces = true;  ///< spaces at the ends are dropped, runs made one
  bool escape_whitespaces = true;        ///< spaces become U+2581
  std::string where;                     ///< the file
};

/// Parses and checks tokenizer.model. Throws Error that names `where` on anything damaged, and on
/// what Tessera does not run: unigram, word and character models, a character map (a normalisation
/// other than "identity"), white space as a suffix.
SentencePieceModel parse_sentencepiece_model(std::string_view bytes, const std::string& where);

/// The byte that a byte piece stands for ("<0x41>" -> 0x41); -1 when it is not spelled like one.
int byte_of_piece(std::string_view piece);

/// The model in the file format again, with nothing in it but what the struct holds: what the
/// sentencepiece library is given, so that it never sees bytes that were not checked.
std::string serialize_sentencepiece_model(const SentencePieceModel& model);

}  // namespace tessera
