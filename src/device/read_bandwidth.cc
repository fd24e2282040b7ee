#include <algorithm>
#include <array>
#include <cstring>

#include "base/clock.h"
#include "base/units.h"
#include "device/device.h"
#include "device/host.h"

namespace tessera {
namespace {

constexpr uint64_t kPieceBytes = kMiB;

uint64_t sum(const std::byte* data) {
  std::array<uint64_t, 8> sums = {};  // independent, so that adding never waits for adding
  const auto* words = reinterpret_cast<const uint64_t*>(data);
  for (uint64_t i = 0; i < kPieceBytes / sizeof(uint64_t); i += sums.size())
    for (size_t lane = 0; lane < sums.size(); ++lane) sums[lane] += words[i + lane];
  uint64_t total = 0;
  for (const uint64_t s : sums) total += s;
  return total;
}

}  // namespace

double measure_read_bandwidth(WorkerPool& pool, uint64_t bytes) {
  constexpr int kPasses = 8;
  bytes = round_up(std::max(bytes, kPieceBytes), kPieceBytes);
  // The memory that weights are in: the same pages, so the same speed.
  const auto memory = open_virtual_device({.name = "host", .budget_bytes = bytes});
  const DeviceBuffer buffer = memory->allocate(bytes, MemoryKind::kFixed, "bandwidth measurement");
  auto* data = static_cast<std::byte*>(buffer.data());
  const auto pieces = static_cast<int64_t>(bytes / kPieceBytes);
  pool.for_each(pieces, [&](int64_t piece) {  // untouched pages would all be one page of zeros
    std::memset(data + piece * static_cast<int64_t>(kPieceBytes), 1, kPieceBytes);
  });

  double best_s = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    const double begin_s = now_s();
    pool.for_each(pieces, [&](int64_t piece) {
      const uint64_t total = sum(data + piece * static_cast<int64_t>(kPieceBytes));
      asm volatile("" : : "r"(total));  // the compiler must believe that someone looks at it
    });
    const double elapsed_s = now_s() - begin_s;
    if (pass == 0 || elapsed_s < best_s) best_s = elapsed_s;
  }
  return static_cast<double>(bytes) / best_s;
}

}  // namespace tessera
