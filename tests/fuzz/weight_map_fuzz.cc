#include "checkpoint/weight_map.h"

#include <cstdlib>

#include "tessera/error.h"

// An index file. No name that is accepted may lead out of the folder.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    for (const auto& [tensor, file] : tessera::parse_weight_map(text, "fuzz"))
      if (file.find('/') != file.npos || file == "..") std::abort();
  } catch (const tessera::Error&) {
  }
  return 0;
}
