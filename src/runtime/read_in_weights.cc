#include "runtime/read_in_weights.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "base/file.h"
#include "base/units.h"

namespace tessera {
namespace {

// Many for each reader to the end; large enough that a disk streams.
constexpr uint64_t kReadInBytes = 16 * kMiB;
constexpr double kProgressInterval_s = 0.1;

std::vector<MappedWeights> cut(const std::vector<MappedWeights>& weights) {
  std::vector<MappedWeights> pieces;
  for (const MappedWeights& whole : weights)
    for (uint64_t at = 0; at < whole.bytes.size(); at += kReadInBytes)
      pieces.push_back({.file = whole.file,
                        .bytes = whole.bytes.subspan(
                            at, std::min<uint64_t>(kReadInBytes, whole.bytes.size() - at))});
  return pieces;
}

}  // namespace

LoadResult read_in_weights(const std::vector<MappedWeights>& weights, int readers,
                           const std::function<void(const LoadProgress&)>& progress,
                           const CancelFlag* cancel) {
  const std::vector<MappedWeights> pieces = cut(weights);
  LoadResult result;
  for (const MappedWeights& piece : pieces) result.bytes_read += piece.bytes.size();

  const double start_s = now_s();
  std::mutex mutex;  // of these four
  size_t next = 0;
  uint64_t done = 0;
  double told_s = 0;
  std::exception_ptr error;
  const auto read = [&] {
    std::unique_lock lock(mutex);
    while (next < pieces.size() && !error) {
      const MappedWeights& piece = pieces[next++];
      lock.unlock();
      std::exception_ptr failed;
      try {
        if (cancel != nullptr) cancel->check();
        read_in(piece.bytes, piece.file);
      } catch (...) {
        failed = std::current_exception();
      }
      lock.lock();
      if (failed) error = failed;
      done += piece.bytes.size();
      const double elapsed_s = now_s() - start_s;
      if (!progress || error) continue;
      if (elapsed_s - told_s < kProgressInterval_s && done < result.bytes_read) continue;
      told_s = elapsed_s;
      progress({.done_bytes = done, .total_bytes = result.bytes_read, .elapsed_s = elapsed_s});
    }
  };
  std::vector<std::thread> threads;
  for (int i = 1; i < readers; ++i) threads.emplace_back(read);
  read();
  for (std::thread& thread : threads) thread.join();
  if (error) std::rethrow_exception(error);
  result.seconds = now_s() - start_s;
  return result;
}

}  // namespace tessera
