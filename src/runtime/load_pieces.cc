#include "runtime/load_pieces.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "base/units.h"
#include "ops/convert.h"
#include "runtime/device_feed.h"
#include "runtime/staging_ring.h"
#include "tessera/error.h"

namespace tessera {
namespace {

// Large enough that a disk streams, small enough that the readers share the work to the end.
constexpr uint64_t kPieceBytes = 8 * kMiB;
constexpr double kProgressInterval_s = 0.1;

// Whether the device packs what it is sent, the host having no way into its memory.
bool packs_by_itself(const Device& device) {
  return device.info().kind == DeviceKind::kCuda;
}

void place(const LoadPiece& piece, const std::byte* data) {
  for (const LoadDestination& to : piece.destinations) {
    if (packs_by_itself(*to.device)) continue;
    const int64_t first_row = to.first_row + piece.first_row;
    if (to.form == WeightForm::kMatrix) {
      pack_rows({.data = to.data,
                 .device = to.device,
                 .precision = to.precision,
                 .out = to.rows,
                 .in = to.cols},
                first_row, piece.rows, data, piece.dtype);
    } else {
      auto* at = static_cast<std::byte*>(to.data) + first_row * to.cols * dtype_bytes(to.dtype);
      convert(data, piece.dtype, at, to.dtype, piece.rows * to.cols);
    }
  }
}

using Feeds = std::vector<std::unique_ptr<DeviceFeed>>;

std::vector<Device*> feeding_devices(const LoadPlan& plan) {
  std::vector<Device*> devices;
  for (const LoadPiece& piece : plan.pieces)
    for (const LoadDestination& to : piece.destinations)
      if (packs_by_itself(*to.device) && std::ranges::find(devices, to.device) == devices.end())
        devices.push_back(to.device);
  return devices;
}

void pad_matrices(const LoadPlan& plan, const Feeds& feeds) {
  for (const PackedMatrix& matrix : plan.matrices) {
    const auto feed = std::ranges::find_if(
        feeds, [&](const auto& candidate) { return &candidate->device() == matrix.device; });
    if (feed == feeds.end()) {
      pack_padding(matrix);
    } else {
      (*feed)->pad(matrix);
    }
  }
}

// The readers' common state: which piece is next, how far they are, what went wrong.
class Load {
 public:
  Load(const LoadPlan& plan, StagingRing& ring, const Feeds& feeds, const CancelFlag* cancel,
       const std::function<void(const LoadProgress&)>& progress)
      : plan_(plan),
        ring_(ring),
        feeds_(feeds),
        cancel_(cancel),
        progress_(progress),
        start_s_(now_s()) {}

  void read() {
    try {
      for (size_t i = next_++; i < plan_.pieces.size() && !failed_; i = next_++) {
        if (cancel_ != nullptr) cancel_->check();
        const LoadPiece& piece = plan_.pieces[i];
        const StagingRing::Slot slot = ring_.take();
        piece.from->read_at(piece.offset, {slot.data(), piece.bytes});
        place(piece, slot.data());
        for (size_t f = 0; f < feeds_.size(); ++f)
          if (goes_to(piece, feeds_[f]->device()))
            feeds_[f]->submit(piece, slot.data(), slot.copied(f));
        report(piece.bytes);
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failed_.exchange(true)) error_ = std::current_exception();
    }
  }

  double finish() const {
    if (error_) std::rethrow_exception(error_);
    for (const auto& feed : feeds_) feed->finish();
    return now_s() - start_s_;
  }

 private:
  static bool goes_to(const LoadPiece& piece, const Device& device) {
    return std::ranges::any_of(piece.destinations,
                               [&](const LoadDestination& to) { return to.device == &device; });
  }

  void report(uint64_t bytes) {
    const uint64_t done = done_bytes_ += bytes;
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!progress_ || !lock) return;
    const double elapsed = now_s() - start_s_;
    if (elapsed - reported_s_ < kProgressInterval_s && done < plan_.total_bytes) return;
    reported_s_ = elapsed;
    progress_({.done_bytes = done, .total_bytes = plan_.total_bytes, .elapsed_s = elapsed});
  }

  const LoadPlan& plan_;
  StagingRing& ring_;
  const Feeds& feeds_;
  const CancelFlag* cancel_;
  const std::function<void(const LoadProgress&)>& progress_;
  const double start_s_;

  std::atomic<size_t> next_{0};
  std::atomic<uint64_t> done_bytes_{0};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  std::exception_ptr error_;
  double reported_s_ = 0;
};

}  // namespace

uint64_t piece_bytes_for(const std::vector<LoadTarget>& targets) {
  uint64_t bytes = kPieceBytes;
  for (const LoadTarget& target : targets)
    if (packs_by_itself(*target.device))
      bytes = std::min(bytes, load_piece_bytes(target.device->info()));
  return bytes;
}

LoadResult load_pieces(const LoadPlan& plan, const LoadOptions& options,
                       const std::function<void(const LoadProgress&)>& progress,
                       const CancelFlag* cancel) {
  LoadResult result{.bytes_read = plan.total_bytes};
  if (plan.pieces.empty()) return result;
  if (plan.largest_piece_bytes > options.host_cap_bytes)
    throw Error({.where = "loading",
                 .what = "host memory for staging",
                 .expected = fmt::format("at least {}", format_bytes(plan.largest_piece_bytes)),
                 .found = fmt::format("a limit of {}", format_bytes(options.host_cap_bytes)),
                 .hint = "raise --host-memory"});
  const auto fitting =
      static_cast<int>(std::min<uint64_t>(options.host_cap_bytes / plan.largest_piece_bytes, 64));
  const int readers = std::min(options.readers, fitting);

  const std::vector<Device*> devices = feeding_devices(plan);
  // Where devices make copies, a reader fills a second slot meanwhile.
  const int slots = devices.empty() ? readers : std::min(2 * readers, fitting);
  Device& memory_of =
      devices.empty() ? *plan.pieces.front().destinations.front().device : *devices.front();
  StagingRing ring(memory_of, devices, plan.largest_piece_bytes, slots);
  Feeds feeds;
  for (Device* device : devices)
    feeds.push_back(std::make_unique<DeviceFeed>(*device, plan.largest_piece_bytes));
  pad_matrices(plan, feeds);

  Load load(plan, ring, feeds, cancel, progress);
  std::vector<std::thread> threads;
  for (int i = 1; i < readers; ++i) threads.emplace_back([&] { load.read(); });
  load.read();
  for (std::thread& thread : threads) thread.join();
  result.seconds = load.finish();
  result.staging_bytes = ring.peak_bytes();
  return result;
}

}  // namespace tessera
