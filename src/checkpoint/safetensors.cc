#include "checkpoint/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "checkpoint/json_events.h"
#include "tessera/error.h"

namespace tessera {
namespace {

struct StoredType {
  std::string_view name;
  int64_t bits;
  std::optional<DType> dtype = std::nullopt;  // empty: known to the format, not to Tessera
};

constexpr StoredType kStoredTypes[] = {
    {"F32", 32, DType::kF32},
    {"BF16", 16, DType::kBF16},
    {"F16", 16, DType::kF16},
    {"I32", 32, DType::kI32},
    {"I64", 64, DType::kI64},
    {"I8", 8, DType::kI8},
    {"U8", 8, DType::kU8},
    {"F64", 64},
    {"C64", 64},
    {"U64", 64},
    {"U32", 32},
    {"I16", 16},
    {"U16", 16},
    {"BOOL", 8},
    {"F8_E4M3", 8},
    {"F8_E5M2", 8},
    {"F8_E8M0", 8},
    {"F6_E2M3", 6},
    {"F6_E3M2", 6},
    {"F4", 4},
};

// One member of the header. The numbers are as written: unsigned, and nothing checked.
struct HeaderEntry {
  std::string name;
  std::optional<std::string> dtype = {};
  std::optional<std::vector<uint64_t>> shape = {}, data_offsets = {};
};

// {"__metadata__": {string: string}, name: {"dtype": .., "shape": [..], "data_offsets": [..]}, ..}
class HeaderEvents final : public JsonEvents {
 public:
  using JsonEvents::JsonEvents;

  std::vector<HeaderEntry> entries;
  std::map<std::string, std::string> metadata;

  bool start_object(size_t) override {
    if (depth_ > 1 || (depth_ == 1 && name_.empty())) refuse("an object");
    ++depth_;
    if (depth_ == 2 && !in_metadata()) entries.push_back({.name = name_});
    return true;
  }

  bool end_object() override {
    if (depth_ == 2 && !in_metadata()) {
      const HeaderEntry& e = entries.back();
      for (const auto& [given, key] : {std::pair(e.dtype.has_value(), "dtype"),
                                       {e.shape.has_value(), "shape"},
                                       {e.data_offsets.has_value(), "data_offsets"}})
        if (!given)
          throw Error({.where = where(), .what = e.name, .expected = key, .found = "none"});
    }
    --depth_;
    return true;
  }

  bool key(std::string& key) override {
    if (depth_ == 2) {
      if (!in_metadata() && key != "dtype" && key != "shape" && key != "data_offsets")
        refuse("the key \"" + key.substr(0, 60) + '"');
      field_ = std::move(key);
      return true;
    }
    if (key.empty() || !names_.insert(key).second)
      throw Error({.where = where(),
                   .what = key,
                   .expected = "each tensor once, under a name",
                   .found = key.empty() ? "an empty name" : "it twice"});
    name_ = std::move(key);
    return true;
  }

  bool string(std::string& value) override {
    if (depth_ != 2 || in_list_) refuse('"' + value.substr(0, 60) + '"');
    if (in_metadata()) {
      if (!metadata.emplace(field_, std::move(value)).second)
        refuse("the key " + field_ + " twice");
      return true;
    }
    if (field_ != "dtype" || entries.back().dtype) refuse('"' + value.substr(0, 60) + '"');
    entries.back().dtype = std::move(value);
    return true;
  }

  bool start_array(size_t) override {
    if (depth_ != 2 || in_list_ || in_metadata() || field_ == "dtype") refuse("a list");
    std::optional<std::vector<uint64_t>>& to = list();
    if (to) refuse("it twice");
    to.emplace();
    in_list_ = true;
    return true;
  }

  bool number_unsigned(uint64_t value) override {
    if (!in_list_) refuse(std::to_string(value));
    if (list()->size() >= (field_ == "shape" ? kMaxTensorRank : 2)) refuse("a longer list");
    list()->push_back(value);
    return true;
  }

  bool end_array() override {
    in_list_ = false;
    return true;
  }

 private:
  bool in_metadata() const { return name_ == "__metadata__"; }
  std::optional<std::vector<uint64_t>>& list() {
    return field_ == "shape" ? entries.back().shape : entries.back().data_offsets;
  }

  Place place() const override {
    if (depth_ == 0) return {"header", "a JSON object"};
    if (depth_ == 1) return {name_, "an object with dtype, shape and data_offsets"};
    if (in_metadata()) return {name_, "strings under string keys"};
    return {name_, fmt::format("a string dtype, a list of at most {} sizes, two data_offsets",
                               kMaxTensorRank)};
  }

  int depth_ = 0;
  bool in_list_ = false;
  std::string name_, field_;
  std::set<std::string> names_;
};

struct PlacedTensor {
  HeaderEntry header;
  uint64_t begin, end;
};

PlacedTensor place_tensor(HeaderEntry header, const std::string& file) {
  if (header.data_offsets->size() != 2)
    throw Error({.where = file,
                 .what = header.name + ".data_offsets",
                 .expected = "two numbers",
                 .found = fmt::format("{}", header.data_offsets->size())});
  const uint64_t begin = (*header.data_offsets)[0], end = (*header.data_offsets)[1];
  return {std::move(header), begin, end};
}

// Sorted by place, the tensors must cover [0, data_bytes) without a hole or an overlap.
void check_tiling(const std::vector<PlacedTensor>& tensors, uint64_t data_bytes,
                  const std::string& file) {
  uint64_t at = 0;
  for (const PlacedTensor& t : tensors) {
    if (t.begin != at || t.end < t.begin || t.end > data_bytes)
      throw Error({.where = file,
                   .what = t.header.name + ".data_offsets",
                   .expected = fmt::format("a begin of {} and an end up to {}", at, data_bytes),
                   .found = fmt::format("[{}, {}]", t.begin, t.end),
                   .hint = "tensors must fill the data without holes or overlaps; truncated?"});
    at = t.end;
  }
  if (at != data_bytes)
    throw Error({.where = file,
                 .what = "data",
                 .expected = fmt::format("{} bytes, as the header says", at),
                 .found = fmt::format("{} bytes", data_bytes)});
}

const StoredType& stored_type(const HeaderEntry& header, const std::string& file) {
  const auto* it = std::ranges::find(kStoredTypes, *header.dtype, &StoredType::name);
  if (it == std::end(kStoredTypes))
    throw Error({.where = file,
                 .what = header.name + ".dtype",
                 .expected = "a safetensors dtype",
                 .found = '"' + header.dtype->substr(0, 40) + '"'});
  return *it;
}

// The sizes as signed numbers, once shape, dtype and byte range agree.
std::vector<int64_t> checked_shape(const PlacedTensor& t, const StoredType& type,
                                   const std::string& file) {
  std::vector<int64_t> shape(t.header.shape->begin(), t.header.shape->end());
  // Counted in bits, since some types are narrower than a byte. A size above 2^63 turns negative
  // above and is refused as such.
  const std::optional<uint64_t> bits = checked_tensor_bytes(shape, type.bits);
  if (!bits || *bits % 8 != 0 || *bits / 8 != t.end - t.begin)
    throw Error({.where = file,
                 .what = t.header.name,
                 .expected = bits ? fmt::format("{} bytes for {} {}", (*bits + 7) / 8, type.name,
                                                describe_shape(shape))
                                  : std::string("a shape that fits in memory"),
                 .found = bits ? fmt::format("{} bytes", t.end - t.begin)
                               : fmt::format("{} {}", type.name, describe_shape(shape))});
  return shape;
}

}  // namespace

std::string_view safetensors_dtype_name(DType dtype) {
  return std::ranges::find(kStoredTypes, std::optional(dtype), &StoredType::dtype)->name;
}

FileTensors read_safetensors(const std::string& path) {
  return read_safetensors(FileSource(path));
}

FileTensors read_safetensors(const ByteSource& source) {
  const std::string& file = source.name();
  const std::string length = source.read(0, 8);
  const uint64_t header_bytes = ByteReader(length, file, "header length").u64();
  if (header_bytes > kMaxSafetensorsHeaderBytes)
    throw Error({.where = file,
                 .what = "header length",
                 .expected = fmt::format("at most {} bytes", kMaxSafetensorsHeaderBytes),
                 .found = fmt::format("{}", header_bytes),
                 .hint = "is it a safetensors file?"});
  const std::string header = source.read(8, header_bytes);
  if (!header.starts_with('{'))
    throw Error(
        {.where = file, .what = "header", .expected = "a JSON object that starts at byte 8"});

  HeaderEvents events(file);
  events.read(header);

  std::vector<PlacedTensor> tensors;
  for (HeaderEntry& entry : events.entries) tensors.push_back(place_tensor(std::move(entry), file));
  std::ranges::sort(tensors, [](const PlacedTensor& a, const PlacedTensor& b) {
    return std::tie(a.begin, a.end, a.header.name) < std::tie(b.begin, b.end, b.header.name);
  });
  const uint64_t data_begin = 8 + header_bytes;
  check_tiling(tensors, source.size() - data_begin, file);

  FileTensors out{.entries = {}, .metadata = std::move(events.metadata)};
  for (PlacedTensor& t : tensors) {
    const StoredType& type = stored_type(t.header, file);
    std::vector<int64_t> shape = checked_shape(t, type, file);
    if (type.dtype)
      out.entries.push_back({.name = std::move(t.header.name),
                             .dtype = *type.dtype,
                             .shape = std::move(shape),
                             .file = file,
                             .offset = data_begin + t.begin,
                             .bytes = t.end - t.begin});
    else
      out.unreadable.push_back({std::move(t.header.name), file, std::string(type.name)});
  }
  return out;
}

}  // namespace tessera
