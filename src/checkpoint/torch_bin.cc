#include "checkpoint/torch_bin.h"

#include <fmt/format.h>

#include <algorithm>

#include "checkpoint/torch_zip.h"
#include "checkpoint/unpickler.h"
#include "tessera/error.h"

namespace tessera {
namespace {

// The archive entry that holds a storage; its length must be the pickle's.
const ZipEntry& find_storage(const TorchZip& zip, const PickledTensor& tensor,
                             const std::string& file) {
  const PickledStorage& storage = tensor.storage;
  const auto it = zip.storages.find(storage.key);
  if (it == zip.storages.end())
    throw Error({.where = file,
                 .what = tensor.name,
                 .expected = fmt::format("data/{} in the archive", storage.key),
                 .found = "none"});
  const int64_t items[] = {storage.items};
  const std::optional<uint64_t> bytes = checked_tensor_bytes(items, storage.type->item_bytes);
  if (bytes != it->second.bytes)
    throw Error({.where = file,
                 .what = tensor.name,
                 .expected = fmt::format("{} items of torch.{} in data/{}", storage.items,
                                         storage.type->name, storage.key),
                 .found = fmt::format("{} bytes", it->second.bytes)});
  return it->second;
}

// Strides of sizes 0 and 1 lead nowhere and mean nothing; torch leaves what it likes there.
bool is_contiguous(const PickledTensor& tensor) {
  if (std::ranges::find(tensor.shape, 0) != tensor.shape.end()) return true;
  int64_t expected = 1;
  for (size_t i = tensor.shape.size(); i-- > 0;) {
    if (tensor.shape[i] != 1 && tensor.stride[i] != expected) return false;
    expected *= tensor.shape[i];
  }
  return true;
}

TensorEntry place_tensor(const PickledTensor& tensor, const ZipEntry& storage, DType dtype,
                         const std::string& file) {
  const int64_t item_bytes = dtype_bytes(dtype);
  const std::optional<uint64_t> bytes = checked_tensor_bytes(tensor.shape, item_bytes);
  // Compared as counts of items: first_item * item_bytes could overflow.
  const auto first = static_cast<uint64_t>(tensor.first_item);
  const auto items = static_cast<uint64_t>(tensor.storage.items);
  if (!bytes || first > items || *bytes / static_cast<uint64_t>(item_bytes) > items - first)
    throw Error({.where = file,
                 .what = tensor.name,
                 .expected = fmt::format("a tensor inside its storage of {} items", items),
                 .found = fmt::format("{} at item {}", describe(dtype, tensor.shape), first)});
  if (!is_contiguous(tensor))
    throw Error({.where = file,
                 .what = tensor.name,
                 .expected = fmt::format("contiguous {}", describe(dtype, tensor.shape)),
                 .found = fmt::format("strides {}", describe_shape(tensor.stride)),
                 .hint = "save tensor.contiguous()"});
  return {.name = tensor.name,
          .dtype = dtype,
          .shape = tensor.shape,
          .file = file,
          .offset = storage.offset + first * static_cast<uint64_t>(item_bytes),
          .bytes = *bytes};
}

}  // namespace

FileTensors read_torch_bin(const std::string& path) {
  return read_torch_bin(FileSource(path));
}

FileTensors read_torch_bin(const ByteSource& source) {
  const TorchZip zip = open_torch_zip(source);
  FileTensors out;
  std::map<std::string, const StorageType*> types;
  for (const PickledTensor& tensor : unpickle_tensors(zip.pickle, source.name())) {
    const ZipEntry& storage = find_storage(zip, tensor, source.name());
    const StorageType* type = tensor.storage.type;
    if (types.emplace(tensor.storage.key, type).first->second != type)
      throw Error({.where = source.name(),
                   .what = tensor.name,
                   .expected = fmt::format("one type for data/{}", tensor.storage.key),
                   .found = "two"});
    if (type->dtype)
      out.entries.push_back(place_tensor(tensor, storage, *type->dtype, source.name()));
    else
      out.unreadable.push_back({tensor.name, source.name(), std::string(type->name)});
  }
  std::ranges::stable_sort(out.entries, {}, &TensorEntry::offset);
  return out;
}

}  // namespace tessera
