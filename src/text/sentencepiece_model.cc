#include "text/sentencepiece_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <bitset>
#include <cmath>
#include <cstring>
#include <unordered_set>

#include "base/json.h"
#include "tessera/error.h"
#include "text/proto_reader.h"
#include "text/unicode.h"

namespace tessera {
namespace {

using Type = SentencePieceModel::Type;

constexpr size_t kMaxPieces = 1 << 20;  // four times the largest vocabulary in use (Gemma's 262144)
constexpr size_t kMaxPieceBytes = 1024;
// The library looks up user-defined pieces into 64 slots and reads past them when more of them are
// prefixes of one text.
constexpr size_t kMaxNestedUserDefined = 64;

SentencePieceModel::Piece parse_piece(std::string_view bytes, const std::string& where) {
  SentencePieceModel::Piece piece = {"", 0, Type::kNormal};
  ProtoReader reader(bytes, where);
  while (reader.next()) {
    if (reader.field() == 1) {
      piece.text = reader.bytes();
    } else if (reader.field() == 2) {
      piece.score = reader.float32();
    } else if (reader.field() == 3) {
      if (reader.varint() < 1 || reader.varint() > 6)
        reader.fail(fmt::format("a piece of type {}", reader.varint()));
      piece.type = static_cast<Type>(reader.varint());
    }
  }
  return piece;
}

void parse_trainer(std::string_view bytes, const std::string& where, uint64_t& model_type,
                   SentencePieceModel& model) {
  ProtoReader reader(bytes, where);
  while (reader.next()) {
    switch (reader.field()) {
      case 3:
        model_type = reader.varint();
        break;
      case 24:
        if (reader.boolean())
          throw Error({.where = where,
                       .what = "trainer_spec.treat_whitespace_as_suffix",
                       .expected = "false",
                       .found = "true"});
        break;
      case 35:
        model.byte_fallback = reader.boolean();
        break;
      case 41:
        model.bos_id = static_cast<int32_t>(reader.varint());
        break;
      case 42:
        model.eos_id = static_cast<int32_t>(reader.varint());
        break;
      default:
        break;
    }
  }
}

void parse_normalizer(std::string_view bytes, const std::string& where, SentencePieceModel& model) {
  ProtoReader reader(bytes, where);
  while (reader.next()) {
    switch (reader.field()) {
      case 2:
        if (!reader.bytes().empty())
          throw Error({.where = where,
                       .what = "normalizer_spec.precompiled_charsmap",
                       .expected = "none (the identity normalisation of the Llama family)",
                       .found = fmt::format("{} bytes", reader.bytes().size())});
        break;
      case 3:
        model.add_dummy_prefix = reader.boolean();
        break;
      case 4:
        model.remove_extra_whitespaces = reader.boolean();
        break;
      case 5:
        model.escape_whitespaces = reader.boolean();
        break;
      default:
        break;
    }
  }
}

[[noreturn]] void fail_piece(const std::string& where, size_t id, const std::string& expected,
                             std::string_view found) {
  throw Error({.where = where,
               .what = fmt::format("piece {}", id),
               .expected = expected,
               .found = std::string(found)});
}

// How many of the user-defined pieces begin one text at most.
size_t deepest_nesting(std::vector<std::string_view> user_defined) {
  std::sort(user_defined.begin(), user_defined.end());
  std::vector<std::string_view> prefixes;  // each begins the next, and the last one seen
  size_t deepest = 0;
  for (const std::string_view piece : user_defined) {
    while (!prefixes.empty() && !piece.starts_with(prefixes.back())) prefixes.pop_back();
    prefixes.push_back(piece);
    deepest = std::max(deepest, prefixes.size());
  }
  return deepest;
}

void check_pieces(SentencePieceModel& model, const std::string& where) {
  std::unordered_set<std::string_view> seen(2 * model.pieces.size());
  std::bitset<256> bytes_seen;
  std::vector<std::string_view> user_defined;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const SentencePieceModel::Piece& piece = model.pieces[id];
    if (piece.text.empty() || piece.text.size() > kMaxPieceBytes)
      fail_piece(where, id, fmt::format("1 to {} bytes", kMaxPieceBytes),
                 fmt::format("{} bytes", piece.text.size()));
    if (!is_valid_utf8(piece.text) || piece.text.find('\0') != piece.text.npos)
      fail_piece(where, id, "UTF-8 without NUL", describe_json(piece.text));
    if (!std::isfinite(piece.score)) fail_piece(where, id, "a finite score", "another");
    if (!seen.insert(piece.text).second)
      fail_piece(where, id, "each piece once", describe_json(piece.text));
    if (piece.type == Type::kUserDefined) user_defined.push_back(piece.text);
    if (piece.type == Type::kUnknown) {
      if (model.unk_id >= 0) fail_piece(where, id, "one unknown piece", "a second");
      model.unk_id = static_cast<int32_t>(id);
    }
    if (piece.type == Type::kByte) {
      const int byte = byte_of_piece(piece.text);
      if (byte < 0 || !model.byte_fallback)
        fail_piece(where, id, model.byte_fallback ? "<0x00> to <0xFF>" : "no byte piece",
                   describe_json(piece.text));
      bytes_seen.set(static_cast<size_t>(byte));
    }
  }
  if (model.unk_id < 0)
    throw Error({.where = where, .expected = "a piece for the unknown", .found = "none"});
  if (model.byte_fallback && !bytes_seen.all())
    throw Error({.where = where,
                 .expected = "256 byte pieces, as byte_fallback is set",
                 .found = fmt::format("{}", bytes_seen.count())});
  if (deepest_nesting(std::move(user_defined)) > kMaxNestedUserDefined)
    throw Error({.where = where,
                 .what = "user-defined pieces",
                 .expected = fmt::format("at most {} that begin each other", kMaxNestedUserDefined),
                 .found = "more"});
}

// An id of the trainer's that does not name a control piece means that there is no such token.
void drop_unless_control(const SentencePieceModel& model, int32_t& id) {
  const auto pieces = static_cast<int64_t>(model.pieces.size());
  if (id < 0 || id >= pieces || model.pieces[static_cast<size_t>(id)].type != Type::kControl)
    id = -1;
}

// The writer's half of the wire format; all lengths here are below 2^32.
void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>((value & 0x7F) | 0x80));
  out.push_back(static_cast<char>(value));
}

void put_number(std::string& out, uint32_t field, uint64_t value) {
  put_varint(out, field << 3);
  put_varint(out, value);
}

void put_bytes(std::string& out, uint32_t field, std::string_view bytes) {
  put_varint(out, field << 3 | 2);
  put_varint(out, bytes.size());
  out += bytes;
}

}  // namespace

int byte_of_piece(std::string_view piece) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return -1;
  const int high = digit(piece[3]), low = digit(piece[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

SentencePieceModel parse_sentencepiece_model(std::string_view bytes, const std::string& where) {
  SentencePieceModel model;
  model.where = where;
  model.bos_id = 1;  // the trainer's defaults, for files that leave them out
  model.eos_id = 2;
  uint64_t model_type = 1;
  ProtoReader reader(bytes, where);
  while (reader.next()) {
    switch (reader.field()) {
      case 1:
        if (model.pieces.size() == kMaxPieces)
          reader.fail(fmt::format("more than {} pieces", kMaxPieces));
        model.pieces.push_back(parse_piece(reader.bytes(), where));
        break;
      case 2:
        parse_trainer(reader.bytes(), where, model_type, model);
        break;
      case 3:
        parse_normalizer(reader.bytes(), where, model);
        break;
      case 5: {  // the denormaliser: the switches in it mean nothing, its character map would
        SentencePieceModel ignored;
        parse_normalizer(reader.bytes(), where, ignored);
        break;
      }
      default:
        break;
    }
  }
  if (model.pieces.empty()) reader.fail("no pieces");
  if (model_type != 2)
    throw Error({.where = where,
                 .what = "trainer_spec.model_type",
                 .expected = "2 (BPE)",
                 .found = fmt::format("{}", model_type)});
  check_pieces(model, where);
  drop_unless_control(model, model.bos_id);
  drop_unless_control(model, model.eos_id);
  return model;
}

std::string serialize_sentencepiece_model(const SentencePieceModel& model) {
  std::string out, part;
  for (const SentencePieceModel::Piece& piece : model.pieces) {
    part.clear();
    put_bytes(part, 1, piece.text);
    put_varint(part, 2 << 3 | 5);
    char score[sizeof piece.score];
    std::memcpy(score, &piece.score, sizeof score);
    part.append(score, sizeof score);
    put_number(part, 3, static_cast<uint64_t>(piece.type));
    put_bytes(out, 1, part);
  }
  part.clear();
  put_number(part, 3, 2);  // BPE
  put_number(part, 35, model.byte_fallback);
  put_bytes(out, 2, part);
  part.clear();
  put_number(part, 3, model.add_dummy_prefix);
  put_number(part, 4, model.remove_extra_whitespaces);
  put_number(part, 5, model.escape_whitespaces);
  put_bytes(out, 3, part);
  return out;
}

}  // namespace tessera
