#include "checkpoint/safetensors.h"

#include <cstdlib>

#include "tessera/error.h"

// A whole file. What is accepted must lie inside it.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    for (const tessera::TensorEntry& e :
         tessera::read_safetensors(tessera::MemorySource("fuzz", bytes)).entries)
      if (e.offset > size || e.bytes > size - e.offset) std::abort();
  } catch (const tessera::Error&) {
  }
  return 0;
}
