#include "checkpoint/byte_source.h"

#include <fmt/format.h>

#include <cstring>

#include "tessera/error.h"

namespace tessera {
namespace {

[[noreturn]] void throw_too_short(const std::string& where, std::string what, uint64_t offset,
                                  uint64_t wanted, uint64_t size) {
  throw Error({.where = where,
               .what = std::move(what),
               .expected = fmt::format("{} bytes at offset {}", wanted, offset),
               .found = fmt::format("the end at {}", size),
               .hint = "truncated or damaged?"});
}

}  // namespace

std::string ByteSource::read(uint64_t offset, uint64_t bytes) const {
  if (offset > size() || bytes > size() - offset)
    throw_too_short(name(), "", offset, bytes, size());
  std::string out(bytes, '\0');
  read_at(offset, std::as_writable_bytes(std::span(out)));
  return out;
}

void MemorySource::read_at(uint64_t offset, std::span<std::byte> out) const {
  if (offset > size() || out.size() > size() - offset)
    throw_too_short(name_, "", offset, out.size(), size());
  if (!out.empty()) std::memcpy(out.data(), bytes_.data() + offset, out.size());
}

std::string_view ByteReader::take(uint64_t count) {
  if (count > left()) throw_too_short(where_, what_, position_, count, bytes_.size());
  const std::string_view taken = bytes_.substr(position_, count);
  position_ += count;
  return taken;
}

uint64_t ByteReader::unsigned_of(size_t count) {
  uint64_t value = 0;
  for (size_t shift = 0; const char byte : take(count)) {
    value |= static_cast<uint64_t>(static_cast<uint8_t>(byte)) << shift;
    shift += 8;
  }
  return value;
}

}  // namespace tessera
