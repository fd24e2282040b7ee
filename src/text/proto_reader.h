#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tessera {

/// Walks the fields of one protocol buffer message without knowing its schema. Everything is
/// checked against the bytes there are; what is malformed is an Error that names `where`.
/// Source: protobuf.dev, "Encoding". Groups (long deprecated) are refused.
/// Holds views: the bytes and `where` must outlive it.
class ProtoReader {
 public:
  ProtoReader(std::string_view bytes, const std::string& where) : rest_(bytes), where_(where) {}

  /// Steps to the next field; false at the end of the message.
  bool next();

  uint32_t field() const { return field_; }

  // The value of the current field. An Error when it was written as another wire type.
  uint64_t varint() const;
  float float32() const;
  std::string_view bytes() const;
  bool boolean() const { return varint() != 0; }

  [[noreturn]] void fail(const std::string& found) const;

 private:
  enum class Wire { kVarint, kFixed64, kBytes, kFixed32 };

  uint64_t take_varint();
  std::string_view take(uint64_t bytes);
  void expect(Wire wire) const;

  std::string_view rest_;
  const std::string& where_;
  uint32_t field_ = 0;
  Wire wire_ = Wire::kVarint;
  uint64_t varint_ = 0;
  std::string_view value_;
};

}  // namespace tessera
