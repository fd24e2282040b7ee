// A --devices list: what is accepted stays within what the options promise.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/isa.h"
#include "plan/device_spec.h"
#include "plan/hardware_catalogue.h"
#include "tessera/error.h"

namespace tessera {
namespace {

void require(bool holds) {
  if (!holds) __builtin_trap();
}

void check(const DeviceSpec& spec) {
  require(spec.index >= -1 && spec.index < kMaxDevices);
  require(!spec.memory_bytes || *spec.memory_bytes > 0);
  require(spec.threads >= 0);
  require(spec.speed > 0 && spec.speed <= 1);
  require(spec.isa <= best_isa());
  require(std::isfinite(spec.link_bytes_per_s) && spec.link_bytes_per_s >= 0);
  if (spec.kind == DeviceSpec::Kind::kImagined)
    require(imagined_device(spec, 0).kv_bytes_per_s > 0);
}

}  // namespace
}  // namespace tessera

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tessera;
  try {
    const auto specs = parse_devices({reinterpret_cast<const char*>(data), size});
    require(!specs.empty() && specs.size() <= static_cast<size_t>(kMaxDevices));
    for (const DeviceSpec& spec : specs) check(spec);
  } catch (const UsageError&) {
  }
  return 0;
}
