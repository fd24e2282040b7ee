#include "base/file.h"
#include "base/out_of_memory.h"
#include "runtime/byte_progress.h"
#include "runtime/checkpoint_weights.h"
#include "runtime/packed_model.h"
#include "tessera/pack.h"

namespace tessera {
namespace {

PackResult check(const std::string& dir, const ByteProgress::Tell& on_progress,
                 const CancelFlag* cancel) {
  const ModelSpec model = read_model(dir);
  const std::optional<PackedManifest> manifest = find_packed_manifest(model.config.dir);
  if (!manifest)
    throw Error({.where = dir + "/" + kPackedManifestName,
                 .expected = "the manifest of a packed copy",
                 .found = "no such file"});
  PackedModel::open(model, *manifest);

  PackResult result{.precision = manifest->precision,
                    .files = static_cast<int>(manifest->units.size())};
  uint64_t total = 0;
  for (const PackedUnitFile& file : manifest->units) result.bytes += file.data_bytes;
  for (const PackedOtherFile& file : manifest->others) total += file.bytes;
  ByteProgress progress(on_progress, total + result.bytes);
  const auto require = [&](const std::string& file, uint64_t offset, uint64_t bytes,
                           const std::string& expected) {
    const std::string path = path_inside(dir, file, dir);
    const std::string found = checksum_of_file(path, offset, progress, cancel);
    if (found != expected)
      throw Error({.where = path,
                   .what = "checksum",
                   .expected = expected,
                   .found = found,
                   .hint = "the file is damaged: pack again, or copy it again"});
    progress.finish(bytes);
  };
  for (const PackedUnitFile& file : manifest->units)
    require(file.file, file.data_offset, file.data_bytes, file.checksum);
  for (const PackedOtherFile& file : manifest->others)
    require(file.file, 0, file.bytes, file.checksum);
  result.kept_files = result.files;
  result.seconds = progress.elapsed_s();
  return result;
}

}  // namespace

PackResult check_packed_model(const std::string& dir, const ByteProgress::Tell& on_progress,
                              const CancelFlag* cancel) {
  return with_out_of_memory_as_error(dir, [&] { return check(dir, on_progress, cancel); });
}

}  // namespace tessera
