#include "model/packed_unit.h"

#include <fmt/format.h>

#include "base/units.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/safetensors_writer.h"
#include "tessera/error.h"

namespace tessera {
namespace {

constexpr const char* kPackAgain = "pack it again";

// A weight as the file shows it, without its place.
TensorEntry entry_of(const WeightSpec& weight, Precision precision) {
  TensorEntry entry{.name = weight.name};
  switch (weight.form) {
    case WeightForm::kMatrix: {
      const PackedMatrix matrix{.precision = precision, .out = weight.rows, .in = weight.cols};
      if (matrix.format().integer) {
        entry.dtype = DType::kU8;
        entry.shape = {matrix.panels(), matrix.panel_bytes()};
      } else if (precision == Precision::kF32) {
        entry.shape = {matrix.panels(), matrix.in, kPanelRows};
      } else {
        entry.dtype = DType::kBF16;
        entry.shape = {matrix.panels(), matrix.padded_in() / 2, kPanelRows, 2};
      }
      break;
    }
    case WeightForm::kTable:
      entry.dtype = table_dtype(precision);
      entry.shape = {weight.rows, weight.cols};
      break;
    case WeightForm::kVector:
      entry.shape = {weight.rows, weight.cols};
      break;
  }
  entry.bytes = checked_tensor_bytes(entry.shape, dtype_bytes(entry.dtype)).value();
  return entry;
}

[[noreturn]] void differs(const std::string& file, const std::string& key,
                          const std::string& expected, const std::string& found) {
  throw Error(
      {.where = file, .what = key, .expected = expected, .found = found, .hint = kPackAgain});
}

void check_metadata(const std::string& path, const std::map<std::string, std::string>& expected,
                    const std::map<std::string, std::string>& found) {
  for (const auto& [key, value] : expected) {
    const auto it = found.find(key);
    if (it == found.end()) differs(path, key, '"' + value + '"', "none");
    if (it->second != value) differs(path, key, '"' + value + '"', '"' + it->second + '"');
  }
}

}  // namespace

std::string packed_file_name(const UnitSpec& unit) {
  return unit.kind == UnitKind::kLayer ? fmt::format("layer-{:03}.safetensors", unit.layer)
                                       : unit.name + ".safetensors";
}

std::vector<TensorEntry> packed_tensors(const UnitSpec& unit, Precision precision) {
  const UnitLayout layout = layout_of(unit, precision);
  std::vector<TensorEntry> entries;
  for (size_t i = 0; i < unit.weights.size(); ++i) {
    TensorEntry entry = entry_of(unit.weights[i], precision);
    entry.offset = layout.offsets[i];
    const uint64_t end = entry.offset + entry.bytes;
    const uint64_t next = i + 1 < layout.offsets.size() ? layout.offsets[i + 1] : layout.bytes;
    entries.push_back(std::move(entry));
    if (end < next)
      entries.push_back({.name = unit.weights[i].name + ".padding",
                         .dtype = DType::kU8,
                         .shape = {static_cast<int64_t>(next - end)},
                         .offset = end,
                         .bytes = next - end});
  }
  return entries;
}

std::map<std::string, std::string> packed_metadata(const PackedUnitFile& file,
                                                   const std::string& fingerprint) {
  return {{"format", "tessera packed unit"},
          {"format_version", std::to_string(kPackedFormatVersion)},
          {"layout_version", std::to_string(kUnitLayoutVersion)},
          {"unit", file.unit},
          {"precision", std::string(precision_name(file.precision))},
          {"source", fingerprint},
          {"xxh3", file.checksum}};
}

std::string packed_front(const UnitSpec& unit, const PackedUnitFile& file,
                         const std::string& fingerprint) {
  return safetensors_front(packed_tensors(unit, file.precision), packed_metadata(file, fingerprint),
                           kPackedAlignment);
}

void check_packed_file(const std::string& path, const UnitSpec& unit, const PackedUnitFile& file,
                       const std::string& fingerprint) {
  const FileSource source(path);
  if (source.size() != file.file_bytes())
    differs(path, "size", fmt::format("{} bytes", file.file_bytes()),
            fmt::format("{} bytes", source.size()));
  const FileTensors found = read_safetensors(source);
  check_metadata(path, packed_metadata(file, fingerprint), found.metadata);

  const std::vector<TensorEntry> expected = packed_tensors(unit, file.precision);
  const auto place = [](const TensorEntry& entry, uint64_t offset) {
    return fmt::format("{} at {}", describe(entry.dtype, entry.shape), offset);
  };
  for (size_t i = 0; i < expected.size(); ++i) {
    const TensorEntry& want = expected[i];
    const std::string wanted = place(want, file.data_offset + want.offset);
    if (i >= found.entries.size()) differs(path, want.name, wanted, "none");
    const TensorEntry& got = found.entries[i];
    if (got.name != want.name) differs(path, "tensors", want.name, got.name);
    if (const std::string there = place(got, got.offset); there != wanted)
      differs(path, want.name, wanted, there);
  }
  if (found.entries.size() + found.unreadable.size() != expected.size())
    differs(path, "tensors", std::to_string(expected.size()),
            std::to_string(found.entries.size() + found.unreadable.size()));
}

}  // namespace tessera
