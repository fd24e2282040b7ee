#include "checkpoint/unpickler.h"

#include "tessera/error.h"

// A data.pkl, without the archive around it.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    tessera::unpickle_tensors({reinterpret_cast<const char*>(data), size}, "fuzz");
  } catch (const tessera::Error&) {
  }
  return 0;
}
