#pragma once

#include <cstddef>
#include <memory>

namespace tessera {

/// Memory whose every byte is 0xff (floats: NaN) until written, which costs nothing until written:
/// the pages of one small file, mapped over and over, copied on write. Behind it is a page that
/// nobody may touch; AddressSanitizer knows the end to the byte.
struct FreeNanPages {
  size_t bytes = 0;
  void operator()(void* data) const;
};
using NanPages = std::unique_ptr<void, FreeNanPages>;

/// Page-aligned. Throws Error when the machine has no more.
NanPages map_nan_pages(size_t bytes);

/// Whether anybody may read and write them: at first, yes.
void allow_access(const NanPages& pages, bool allowed);

}  // namespace tessera
