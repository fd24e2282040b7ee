#pragma once

#include <memory>
#include <span>

#include "runtime/micro_batch.h"
#include "runtime/scheduler.h"
#include "runtime/served_request.h"

namespace tessera {

/// Fills a cleared micro-batch with the rows of a step: `requests` are those of its parts, in
/// order. They must live until the batch is back.
void fill_batch(const Step& step, std::span<const std::shared_ptr<ServedRequest>> requests,
                int64_t max_blocks, MicroBatch& batch);

}  // namespace tessera
