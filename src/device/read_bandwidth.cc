#include "device/read_bandwidth.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/clock.h"
#include "base/units.h"

namespace tessera {
namespace {

constexpr uint64_t kPieceBytes = kMiB, kFewestBytes = 256 * kMiB;

// Four streams a thread, each asking for what it reads next: as matmuls read the panels of a
// matrix. One stream alone leaves half of a Xeon's bandwidth unused, 20 of 38 GB/s by two cores.
uint64_t sum(const std::byte* data) {
  constexpr uint64_t kStreams = 4, kStreamBytes = kPieceBytes / kStreams;
  constexpr uint64_t kLineBytes = 64, kAheadBytes = 2048;
  std::array<uint64_t, kLineBytes / sizeof(uint64_t)> sums = {};  // adding never waits for adding
  for (uint64_t at = 0; at < kStreamBytes; at += kLineBytes)
    for (uint64_t stream = 0; stream < kStreams; ++stream) {
      const std::byte* line = data + stream * kStreamBytes + at;
      __builtin_prefetch(line + kAheadBytes);
      const auto* words = reinterpret_cast<const uint64_t*>(line);
      for (size_t lane = 0; lane < sums.size(); ++lane) sums[lane] += words[lane];
    }
  uint64_t total = 0;
  for (const uint64_t s : sums) total += s;
  return total;
}

}  // namespace

ReadProbe::ReadProbe(WorkerPool& pool, uint64_t bytes)
    : pool_(pool),
      bytes_(round_up(std::max(bytes, kPieceBytes), kPieceBytes)),
      // The memory that weights are in: the same pages, so the same speed.
      memory_(open_virtual_device({.name = "host", .budget_bytes = bytes_})),
      buffer_(memory_->allocate(bytes_, MemoryKind::kFixed, "bandwidth measurement")) {
  auto* data = static_cast<std::byte*>(buffer_.data());
  pool_.for_each(static_cast<int64_t>(bytes_ / kPieceBytes), [&](int64_t piece) {
    // untouched pages would all be one page of zeros
    std::memset(data + piece * static_cast<int64_t>(kPieceBytes), 1, kPieceBytes);
  });
}

double ReadProbe::pass() {
  const auto* data = static_cast<const std::byte*>(buffer_.data());
  const double begin_s = now_s();
  pool_.for_each(static_cast<int64_t>(bytes_ / kPieceBytes), [&](int64_t piece) {
    const uint64_t total = sum(data + piece * static_cast<int64_t>(kPieceBytes));
    asm volatile("" : : "r"(total));  // the compiler must believe that someone looks at it
  });
  return static_cast<double>(bytes_) / (now_s() - begin_s);
}

uint64_t uncached_bytes(const HostInfo& host) {
  const uint64_t caches = host.l3_bytes * static_cast<uint64_t>(std::max(host.l3_count, 1));
  return std::min(std::max(kFewestBytes, 2 * caches),
                  std::max(kFewestBytes, host.available_bytes / 4));
}

double measure_read_bandwidth(WorkerPool& pool, uint64_t bytes) {
  constexpr int kPasses = 8;
  ReadProbe probe(pool, bytes);
  double best = 0;
  for (int pass = 0; pass < kPasses; ++pass) best = std::max(best, probe.pass());
  return best;
}

}  // namespace tessera
