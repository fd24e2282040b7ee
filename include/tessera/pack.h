#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "tessera/cancel.h"
#include "tessera/error.h"
#include "tessera/precision.h"

namespace tessera {

struct PackOptions {
  std::string model_path;          ///< folder of a checkpoint
  std::string out;                 ///< folder to make; an unfinished one is gone on with
  std::string precision = "auto";  ///< as --precision; "auto": the model's own
  /// Called about ten times a second, from one thread at a time: bytes of the copy.
  std::function<void(uint64_t done_bytes, uint64_t total_bytes, double elapsed_s)> on_progress = {};
};

struct PackResult {
  Precision precision = Precision::kBF16;
  int files = 0;       ///< with weights: one for each unit
  int kept_files = 0;  ///< of these were there already, and intact
  uint64_t bytes = 0;  ///< of weights
  double seconds = 0;
};

/// Writes a copy of the model in Tessera's own layout, which loads without conversion: every
/// command takes its folder as a model. Interrupted at any point it can be called again and goes
/// on. Host memory: the largest unit, and what loading takes. Throws Error when the checkpoint is
/// wrong, the folder is somebody else's or the disk is full; UsageError; Cancelled.
PackResult pack_model(const PackOptions& options, const CancelFlag* cancel = nullptr);

/// Reads a packed copy to its last byte and compares every checksum. Throws Error for the first
/// file that is not as it was written; Cancelled.
PackResult check_packed_model(const std::string& dir,
                              const std::function<void(uint64_t done_bytes, uint64_t total_bytes,
                                                       double elapsed_s)>& on_progress = {},
                              const CancelFlag* cancel = nullptr);

}  // namespace tessera
