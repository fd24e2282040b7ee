#pragma once

#include <cstddef>

namespace tessera {

/// The plan counts devices and layers in int, as JSON and people do; containers count in size_t.
constexpr size_t at(int index) {
  return static_cast<size_t>(index);
}

}  // namespace tessera
