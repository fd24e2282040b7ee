#include "tessera/pack.h"

#include <fmt/format.h>

#include <cstring>
#include <filesystem>

#include "base/checksum.h"
#include "base/file.h"
#include "base/new_file.h"
#include "base/out_of_memory.h"
#include "base/units.h"
#include "checkpoint/safetensors.h"
#include "model/packed_unit.h"
#include "runtime/byte_progress.h"
#include "runtime/check_tokenizer.h"
#include "runtime/checkpoint_weights.h"
#include "runtime/pack_folder.h"
#include "runtime/planning.h"
#include "text/tokenizer.h"

namespace tessera {
namespace {

constexpr uint64_t kWrittenBytes = 8 * kMiB;
constexpr uint64_t kMaxOtherBytes = 256 * kMiB;

// All that a model needs beside its weights, where it has it.
constexpr const char* kOtherFiles[] = {
    "config.json",           "generation_config.json",  "tokenizer.model",   "tokenizer.json",
    "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja"};
constexpr const char* kVisionFiles[] = {"config.json", "preprocessor_config.json"};

// "." and what follows a last slash belong to how a path is written, not to the folder's name.
std::string folder_name(const std::string& dir) {
  std::filesystem::path path = std::filesystem::absolute(dir).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return path.filename().string();
}

PackedManifest describe_copy(const ModelSpec& model, const CheckpointWeights& weights,
                             Precision precision) {
  PackedManifest copy{.layout_version = kUnitLayoutVersion,
                      .source = folder_name(model.config.dir),
                      .fingerprint = weights.fingerprint(model),
                      .precision = precision,
                      .units = {},
                      .others = {}};
  for (const UnitSpec* unit : model.units()) {
    PackedUnitFile& file =
        copy.units.emplace_back(PackedUnitFile{.unit = unit->name,
                                               .file = packed_file_name(*unit),
                                               .precision = stored_precision(unit->kind, precision),
                                               .checksum = Checksum().text()});
    file.data_offset = packed_front(*unit, file, copy.fingerprint).size();
    file.data_bytes = layout_of(*unit, file.precision).bytes;
  }
  return copy;
}

class Packing {
 public:
  Packing(const ModelSpec& model, const CheckpointWeights& weights, PackedManifest copy,
          const PackOptions& options, const CancelFlag* cancel)
      : model_(model),
        weights_(weights),
        copy_(std::move(copy)),
        folder_(options.out, copy_),
        progress_(options.on_progress, weight_bytes()),
        cancel_(cancel) {}

  PackResult run() {
    std::vector<size_t> missing;
    uint64_t missing_bytes = 0;
    for (size_t i = 0; i < copy_.units.size(); ++i) {
      if (is_there(i)) continue;
      missing.push_back(i);
      missing_bytes += copy_.units[i].file_bytes();
    }
    const std::vector<std::string> others = other_files();
    for (const std::string& name : others)
      missing_bytes += File::open(model_.config.dir + "/" + name).size();
    folder_.require_space(missing_bytes);

    for (const size_t i : missing) write_unit(i);
    for (const std::string& name : others) copy_file(name);
    folder_.finish(copy_);
    return {.precision = copy_.precision,
            .files = static_cast<int>(copy_.units.size()),
            .kept_files = static_cast<int>(copy_.units.size() - missing.size()),
            .bytes = weight_bytes(),
            .seconds = progress_.elapsed_s()};
  }

 private:
  uint64_t weight_bytes() const {
    uint64_t bytes = 0;
    for (const PackedUnitFile& file : copy_.units) bytes += file.data_bytes;
    return bytes;
  }

  // Written by an earlier call, and still as it was.
  bool is_there(size_t index) {
    PackedUnitFile file = copy_.units[index];
    const std::string path = folder_.path(file.file);
    if (!file_exists(path)) return false;
    try {
      file.checksum = read_safetensors(path).metadata["xxh3"];
      check_packed_file(path, *model_.units()[index], file, copy_.fingerprint);
    } catch (const Error&) {
      return false;
    }
    if (checksum_of_file(path, file.data_offset, progress_, cancel_) != file.checksum) return false;
    progress_.finish(file.data_bytes);
    copy_.units[index] = file;
    return true;
  }

  // Of a unit's bytes, half count when they are packed, half when they are written.
  void write_unit(size_t index) {
    PackedUnitFile& file = copy_.units[index];
    const UnitSpec& unit = *model_.units()[index];
    const uint64_t bytes = file.data_bytes;
    const DeviceBuffer buffer = device_->allocate(bytes, MemoryKind::kWeights, unit.name);
    std::memset(buffer.data(), 0, bytes);  // what lies between the weights, too, is always the same
    weights_.load(
        {{.unit = &unit,
          .precision = file.precision,
          .device = device_.get(),
          .data = buffer.data()}},
        {},
        [&](const LoadProgress& at) {
          const double share =
              static_cast<double>(at.done_bytes) / static_cast<double>(at.total_bytes);
          progress_.report(static_cast<uint64_t>(share * static_cast<double>(bytes) / 2));
        },
        cancel_);

    NewFile out(folder_.path(file.file));
    const std::span<const std::byte> data(static_cast<const std::byte*>(buffer.data()), bytes);
    Checksum checksum;
    for (uint64_t at = 0; at < bytes; at += kWrittenBytes) {
      if (cancel_ != nullptr) cancel_->check();
      const auto piece = data.subspan(at, std::min(kWrittenBytes, bytes - at));
      checksum.add(piece);
      out.write_at(file.data_offset + at, piece);
      progress_.report(bytes / 2 + at / 2);
    }
    file.checksum = checksum.text();
    out.write_at(0, packed_front(unit, file, copy_.fingerprint));
    out.commit();
    progress_.finish(bytes);
  }

  std::vector<std::string> other_files() const {
    std::vector<std::string> names;
    const std::string& dir = model_.config.dir;
    const auto take = [&](const std::string& name) {
      if (file_exists(dir + "/" + name)) names.push_back(name);
    };
    for (const char* name : kOtherFiles) take(name);
    if (model_.config.vision)
      for (const char* name : kVisionFiles)
        take(model_.config.vision->folder.substr(dir.size() + 1) + "/" + name);
    return names;
  }

  void copy_file(const std::string& name) {
    const std::string content = read_file(model_.config.dir + "/" + name, kMaxOtherBytes);
    NewFile out(folder_.make_path(name));
    out.write_at(0, content);
    out.commit();
    Checksum checksum;
    checksum.add(content);
    copy_.others.push_back({.file = name, .bytes = content.size(), .checksum = checksum.text()});
  }

  const ModelSpec& model_;
  const CheckpointWeights& weights_;
  PackedManifest copy_;
  const PackFolder folder_;
  ByteProgress progress_;
  const CancelFlag* cancel_;
  const std::unique_ptr<Device> device_ =
      open_virtual_device({.name = "host", .budget_bytes = UINT64_MAX});
};

PackResult pack(const PackOptions& options, const CancelFlag* cancel) {
  const ModelSpec model = read_model(options.model_path);
  if (const auto manifest = find_packed_manifest(model.config.dir))
    throw Error({.where = model.config.dir,
                 .expected = "a checkpoint as it was published",
                 .found = fmt::format("a copy packed in {}", precision_name(manifest->precision)),
                 .hint = "pack the original: " + manifest->source});
  const Precision precision = wanted_precision(model, options.precision);
  check_tokenizer(*Tokenizer::open(model.config.dir), model.config);
  const CheckpointWeights weights = CheckpointWeights::open(model.config);
  PackedManifest copy = describe_copy(model, weights, precision);
  return Packing(model, weights, std::move(copy), options, cancel).run();
}

}  // namespace

PackResult pack_model(const PackOptions& options, const CancelFlag* cancel) {
  return with_out_of_memory_as_error(options.model_path, [&] { return pack(options, cancel); });
}

}  // namespace tessera
