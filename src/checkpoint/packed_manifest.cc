#include "checkpoint/packed_manifest.h"

#include <fmt/format.h>

#include <set>

#include "base/file.h"
#include "base/json.h"
#include "tessera/error.h"

namespace tessera {
namespace {

constexpr const char* kFormat = "tessera packed model";
constexpr uint64_t kMaxManifestBytes = uint64_t{4} << 20;
constexpr int64_t kMaxBytes = int64_t{1} << 50;  // of one file

Precision read_precision(const JsonReader& json) {
  const std::string name = json.string("precision");
  const std::optional<Precision> precision = parse_precision(name);
  if (!precision || *precision == Precision::kFp8)
    json.fail("precision", "f32, bf16, int8, int6, int5 or int4", '"' + name.substr(0, 40) + '"');
  return *precision;
}

std::string read_checksum(const JsonReader& json, const char* key) {
  std::string text = json.string(key);
  if (text.size() != 16 || text.find_first_not_of("0123456789abcdef") != text.npos)
    json.fail(key, "16 hexadecimal digits", '"' + text.substr(0, 40) + '"');
  return text;
}

uint64_t read_bytes(const JsonReader& json, const char* key) {
  return static_cast<uint64_t>(json.integer(key, 0, kMaxBytes));
}

// Each file once, and none of them outside of the folder.
std::string read_file_name(const JsonReader& json, std::set<std::string>& names) {
  std::string name = json.string("file");
  path_inside("", name, json.where());
  if (!names.insert(name).second) json.fail("file", "each file once", '"' + name + '"');
  return name;
}

PackedUnitFile read_unit(const JsonReader& json, std::set<std::string>& names) {
  PackedUnitFile unit{.unit = json.string("unit"),
                      .file = read_file_name(json, names),
                      .precision = read_precision(json),
                      .data_offset = read_bytes(json, "data_offset"),
                      .data_bytes = read_bytes(json, "data_bytes"),
                      .checksum = read_checksum(json, "xxh3")};
  if (unit.file.find('/') != unit.file.npos)
    json.fail("file", "a plain file name", '"' + unit.file + '"');
  if (unit.data_offset == 0 || unit.data_offset % kPackedAlignment != 0)
    json.fail("data_offset", fmt::format("a multiple of {}", kPackedAlignment),
              std::to_string(unit.data_offset));
  return unit;
}

void check_version(const JsonReader& json) {
  if (const std::string format = json.string("format"); format != kFormat)
    json.fail("format", fmt::format("\"{}\"", kFormat), '"' + format.substr(0, 40) + '"');
  const int64_t version = json.integer("format_version", 0, INT64_MAX);
  if (version != kPackedFormatVersion)
    json.fail("format_version", std::to_string(kPackedFormatVersion), std::to_string(version),
              version < kPackedFormatVersion ? "pack it again, into another folder"
                                             : "a newer Tessera packed it; pack it again");
}

}  // namespace

std::string packed_manifest_text(const PackedManifest& manifest) {
  Json units = Json::array(), others = Json::array();
  for (const PackedUnitFile& unit : manifest.units)
    units.push_back({{"unit", unit.unit},
                     {"file", unit.file},
                     {"precision", precision_name(unit.precision)},
                     {"data_offset", unit.data_offset},
                     {"data_bytes", unit.data_bytes},
                     {"xxh3", unit.checksum}});
  for (const PackedOtherFile& other : manifest.others)
    others.push_back({{"file", other.file}, {"bytes", other.bytes}, {"xxh3", other.checksum}});
  const Json json = {{"format", kFormat},
                     {"format_version", kPackedFormatVersion},
                     {"layout_version", manifest.layout_version},
                     {"source", {{"name", manifest.source}, {"fingerprint", manifest.fingerprint}}},
                     {"precision", precision_name(manifest.precision)},
                     {"units", std::move(units)},
                     {"others", std::move(others)}};
  // The folder's name may be of any bytes.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

PackedManifest parse_packed_manifest(std::string_view text, const std::string& where) {
  const Json document = parse_json(text, where);
  const JsonReader json(document, where);
  check_version(json);  // first: another version may have other keys
  const JsonReader source = json.object("source");
  PackedManifest manifest{.layout_version = json.integer("layout_version", 0, INT32_MAX),
                          .source = source.string("name"),
                          .fingerprint = read_checksum(source, "fingerprint"),
                          .precision = read_precision(json),
                          .units = {},
                          .others = {}};
  std::set<std::string> names, units;
  for (const JsonReader& from : json.objects("units")) {
    manifest.units.push_back(read_unit(from, names));
    if (const std::string& unit = manifest.units.back().unit; !units.insert(unit).second)
      from.fail("unit", "each unit once", '"' + unit.substr(0, 40) + '"');
  }
  for (const JsonReader& from : json.objects("others"))
    manifest.others.push_back({.file = read_file_name(from, names),
                               .bytes = read_bytes(from, "bytes"),
                               .checksum = read_checksum(from, "xxh3")});
  return manifest;
}

void refuse_unfinished_copy(const std::string& dir) {
  if (file_exists(fmt::format("{}/{}", dir, kPackedManifestName))) return;
  if (const std::string marker = fmt::format("{}/{}", dir, kPackingMarkerName); file_exists(marker))
    throw Error({.where = marker,
                 .what = "this copy was not packed to its end",
                 .hint = "the same tessera pack command goes on where it stopped"});
}

std::optional<PackedManifest> find_packed_manifest(const std::string& dir, const char* name) {
  const std::string path = fmt::format("{}/{}", dir, name);
  if (!file_exists(path)) return std::nullopt;
  return parse_packed_manifest(read_file(path, kMaxManifestBytes), path);
}

}  // namespace tessera
