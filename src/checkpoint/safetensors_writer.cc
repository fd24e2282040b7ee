#include "checkpoint/safetensors_writer.h"

#include "base/json.h"
#include "base/units.h"
#include "checkpoint/safetensors.h"

namespace tessera {

std::string safetensors_front(std::span<const TensorEntry> tensors,
                              const std::map<std::string, std::string>& metadata,
                              uint64_t alignment) {
  Json json = {{"__metadata__", metadata}};
  uint64_t end = 0;
  for (const TensorEntry& tensor : tensors) {
    const uint64_t begin = end;
    end += checked_tensor_bytes(tensor.shape, dtype_bytes(tensor.dtype)).value();
    json[tensor.name] = {{"dtype", safetensors_dtype_name(tensor.dtype)},
                         {"shape", tensor.shape},
                         {"data_offsets", {begin, end}}};
  }
  std::string header = json.dump();
  header.resize(round_up(8 + header.size(), alignment) - 8, ' ');

  std::string front;
  for (int byte = 0; byte < 8; ++byte)
    front += static_cast<char>(header.size() >> (8 * byte) & 0xff);
  return front + header;
}

}  // namespace tessera
