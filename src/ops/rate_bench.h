#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "base/matmul_times.h"
#include "base/value_kind.h"
#include "device/device.h"
#include "device/stream.h"
#include "tensor/tensor.h"
#include "tessera/kv_format.h"
#include "tessera/precision.h"

namespace tessera {

/// What is timed on one kind of device.
struct RateSizes {
  std::array<double, MatmulTimes::kRowCounts> rows;
  std::array<double, MatmulTimes::kWidths> widths;
  int64_t kv_heads;
  uint64_t weight_bytes;  ///< several times the caches of a core's neighbourhood, or of a GPU
  int64_t max_context;
  bool once;  ///< the device's clock is exact: nothing is timed twice

  int64_t most_rows() const { return static_cast<int64_t>(rows.back()); }
  int64_t width() const { return static_cast<int64_t>(widths.back()); }
};

/// Ops of a transformer on buffers of their own, timed. Times are those of one op in a queue of
/// them, the best of several: others on the machine only make it longer. The input of each was just
/// written by another op (a norm, whose time is taken off): half of it lies in the caches of other
/// threads then, as in a model.
class RateBench {
 public:
  static constexpr int64_t kHeadDim = 128;

  RateBench(Device& device, uint64_t weight_bytes);

  const RateSizes& sizes() const { return sizes_; }

  /// Weights that were not read for a while, as in a model that is larger than the caches; those
  /// of the narrowest width stay where they are, as a model so narrow fits them.
  double matmul_s(int64_t rows, Precision precision, int64_t in, int64_t out);

  /// The last rows of one sequence with all of it; heads x head_dim is the widest width.
  double attention_s(KvFormat format, int64_t rows, int64_t context, int64_t head_dim);

  /// `rows` of the widest width, and how many values that are as planned.
  double values_s(ValueKind kind, int64_t rows);
  double values(ValueKind kind, int64_t rows) const;

  /// An op of so many rows that hold next to nothing.
  double small_op_s(int64_t rows);

 private:
  DeviceBuffer allocate(uint64_t bytes);
  void fill(const DeviceBuffer& buffer);
  Tensor view(const DeviceBuffer& of, int64_t rows, int64_t cols);
  void* next_weights(uint64_t bytes, bool stay);
  uint64_t activation_bytes() const;

  /// Seconds of what `queue` puts on the stream: the caller's, or those of a device that has a
  /// clock of its own and is asked for work far ahead.
  double time(const std::function<void()>& queue);
  double best_s(const std::function<void()>& op);
  void norm(int64_t rows, int64_t cols);  // x, in place
  double norm_s(int64_t rows, int64_t cols);
  /// Of `op`, which reads x.
  double after_norm_s(int64_t rows, int64_t cols, const std::function<void()>& op);

  Device& device_;
  const RateSizes sizes_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<Event> begin_, end_;
  DeviceBuffer weights_, x_, y_, scratch_, indices_;
  uint64_t cursor_ = 0;                                    // into the weights
  std::map<std::pair<int64_t, int64_t>, double> norms_s_;  // by rows and columns
};

}  // namespace tessera
