#include "text/proto_reader.h"

#include <fmt/format.h>

#include <cstring>

#include "tessera/error.h"

namespace tessera {

void ProtoReader::fail(const std::string& found) const {
  throw Error({.where = where_,
               .expected = "a SentencePiece model",
               .found = found,
               .hint = "was the download complete?"});
}

uint64_t ProtoReader::take_varint() {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (rest_.empty()) fail("data that ends inside a number");
    const auto byte = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
  fail("a number of more than 64 bits");
}

std::string_view ProtoReader::take(uint64_t bytes) {
  if (bytes > rest_.size())
    fail(fmt::format("a field of {} bytes where {} are left", bytes, rest_.size()));
  const std::string_view taken = rest_.substr(0, bytes);
  rest_.remove_prefix(bytes);
  return taken;
}

bool ProtoReader::next() {
  if (rest_.empty()) return false;
  const uint64_t tag = take_varint();
  if (tag >> 3 == 0 || tag >> 3 > 0x1FFFFFFF)
    fail(fmt::format("field number {}, which does not exist", tag >> 3));
  field_ = static_cast<uint32_t>(tag >> 3);
  switch (tag & 7) {
    case 0:
      wire_ = Wire::kVarint;
      varint_ = take_varint();
      return true;
    case 1:
      wire_ = Wire::kFixed64;
      value_ = take(8);
      return true;
    case 2:
      wire_ = Wire::kBytes;
      value_ = take(take_varint());
      return true;
    case 5:
      wire_ = Wire::kFixed32;
      value_ = take(4);
      return true;
    default:
      fail(fmt::format("wire type {} in field {}", tag & 7, field_));
  }
}

void ProtoReader::expect(Wire wire) const {
  if (wire_ != wire) fail(fmt::format("field {} of another type", field_));
}

uint64_t ProtoReader::varint() const {
  expect(Wire::kVarint);
  return varint_;
}

float ProtoReader::float32() const {
  expect(Wire::kFixed32);
  float value;  // little-endian in the file, as on every machine Tessera runs on
  std::memcpy(&value, value_.data(), sizeof value);
  return value;
}

std::string_view ProtoReader::bytes() const {
  expect(Wire::kBytes);
  return value_;
}

}  // namespace tessera
