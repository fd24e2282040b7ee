#include "checkpoint/tensor_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <tuple>

#include "base/file.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/torch_bin.h"
#include "checkpoint/weight_map.h"
#include "tessera/error.h"

namespace tessera {
namespace {

constexpr uint64_t kMaxIndexBytes = uint64_t{64} << 20;
constexpr std::string_view kIndexSuffix = ".safetensors.index.json";

FileTensors read_weight_file(const std::string& path) {
  return path.ends_with(".safetensors") ? read_safetensors(path) : read_torch_bin(path);
}

// Conversions do not always call their index model.safetensors.index.json.
std::string find_safetensors_index(const std::string& dir) {
  std::string usual = dir + "/model" + std::string(kIndexSuffix);
  if (file_exists(usual)) return usual;
  std::vector<std::string> found;
  std::error_code error;
  for (const auto& item : std::filesystem::directory_iterator(dir, error)) {
    std::string name = item.path().filename().string();
    if (name.ends_with(kIndexSuffix) && item.is_regular_file(error))
      found.push_back(std::move(name));
  }
  std::ranges::sort(found);
  if (found.size() > 1)
    throw Error({.where = dir,
                 .what = "*.safetensors.index.json",
                 .expected = "one index",
                 .found = fmt::format("{} and {}", found[0], found[1])});
  return found.empty() ? "" : dir + "/" + found[0];
}

// The tensors that an index names, each from the file that it names; what else lies in the shards
// is left out, as by every other reader of these files.
FileTensors read_sharded(const std::string& dir, const std::string& index) {
  WeightMap map = parse_weight_map(read_file(index, kMaxIndexBytes), index);
  std::map<std::string, size_t> shards;
  for (const auto& [name, file] : map) ++shards[file];

  FileTensors out;
  const auto take = [&](auto& tensors, auto& to, const std::string& file) {
    for (auto& tensor : tensors) {
      const auto it = map.find(tensor.name);
      if (it == map.end() || it->second != file) continue;
      map.erase(it);
      to.push_back(std::move(tensor));
    }
  };
  for (const auto& [file, count] : shards) {
    const std::string path = fmt::format("{}/{}", dir, file);
    std::error_code ignored;  // what is there, and is no file, says so when it is opened
    if (!std::filesystem::exists(std::filesystem::symlink_status(path, ignored)))
      throw Error({.where = index,
                   .what = "weight_map",
                   .expected = fmt::format("{}, which has {} of the tensors", file, count),
                   .found = "no such file",
                   .hint = "is the download complete?"});
    FileTensors shard = read_weight_file(path);
    take(shard.entries, out.entries, file);
    take(shard.unreadable, out.unreadable, file);
  }
  if (!map.empty())
    throw Error({.where = dir + "/" + map.begin()->second,
                 .what = map.begin()->first,
                 .expected = fmt::format("this tensor, as {} says", index),
                 .found = "none"});
  return out;
}

}  // namespace

TensorIndex TensorIndex::open(const std::string& dir) {
  if (!directory_exists(dir))
    throw Error({.where = dir, .expected = "a model folder", .found = "none"});
  if (std::string file = dir + "/model.safetensors"; file_exists(file))
    return {file, read_safetensors(file)};
  if (std::string index = find_safetensors_index(dir); !index.empty())
    return {index, read_sharded(dir, index)};
  if (std::string file = dir + "/pytorch_model.bin"; file_exists(file))
    return {file, read_torch_bin(file)};
  if (std::string index = dir + "/pytorch_model.bin.index.json"; file_exists(index))
    return {index, read_sharded(dir, index)};
  throw Error({.where = dir,
               .what = "weights",
               .expected = "model.safetensors, *.safetensors.index.json, pytorch_model.bin or "
                           "pytorch_model.bin.index.json",
               .found = "none of them"});
}

TensorIndex::TensorIndex(std::string path, FileTensors tensors)
    : path_(std::move(path)), entries_(std::move(tensors.entries)) {
  std::ranges::sort(entries_, [](const TensorEntry& a, const TensorEntry& b) {
    return std::tie(a.file, a.offset, a.name) < std::tie(b.file, b.offset, b.name);
  });
  for (size_t i = 0; i < entries_.size(); ++i) by_name_.emplace(entries_[i].name, i);
  for (UnreadableTensor& tensor : tensors.unreadable)
    unreadable_.emplace(tensor.name, std::move(tensor));
}

const TensorEntry* TensorIndex::find(std::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &entries_[it->second];
}

const TensorEntry& TensorIndex::at(std::string_view name) const {
  if (const TensorEntry* entry = find(name)) return *entry;
  if (const auto it = unreadable_.find(name); it != unreadable_.end())
    throw Error({.where = it->second.file,
                 .what = std::string(name),
                 .expected = "a type that Tessera reads",
                 .found = it->second.dtype});
  throw Error({.where = path_,
               .what = std::string(name),
               .expected = "this tensor",
               .found = "none",
               .hint = "is config.json from the same model?"});
}

const TensorEntry& TensorIndex::expect(std::string_view name,
                                       std::span<const int64_t> shape) const {
  const TensorEntry& entry = at(name);
  const bool floating =
      entry.dtype == DType::kF32 || entry.dtype == DType::kBF16 || entry.dtype == DType::kF16;
  if (!floating || !std::ranges::equal(entry.shape, shape))
    throw Error({.where = entry.file,
                 .what = entry.name,
                 .expected = fmt::format("f32, bf16 or f16 {}", describe_shape(shape)),
                 .found = describe(entry.dtype, entry.shape),
                 .hint = "is config.json from the same model?"});
  return entry;
}

}  // namespace tessera
