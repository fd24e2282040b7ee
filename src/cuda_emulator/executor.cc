#include <algorithm>
#include <thread>
#include <utility>

#include "cuda_emulator/machine.h"
#include "cuda_emulator/sanitizers.h"

// One thread runs the ops of all streams of all GPUs, one op at a time. Which of the streams that
// could go on goes on is the order's choice. To ThreadSanitizer each stream is a thread of its own,
// ordered only by what CUDA orders: an op comes after its submission, the ops before it in the
// stream, and the records that it waits for.

namespace tessera {
namespace {

bool can_run(const CUstream_st& stream) {
  if (stream.busy || stream.queue.empty()) return false;
  const EventMark* const awaited = stream.queue.front()->awaited.get();
  return awaited == nullptr || awaited->passed;
}

CUstream_st* choose_stream(Machine& machine) {
  std::vector<CUstream_st*> able;
  for (const auto& stream : machine.streams)
    if (can_run(*stream)) able.push_back(stream.get());
  if (able.empty()) return nullptr;
  switch (machine.settings.order) {
    case ThreadOrder::kForward:
      return *std::min_element(able.begin(), able.end(), [](const auto* a, const auto* b) {
        return a->priority < b->priority;
      });
    case ThreadOrder::kReverse:
      return able.back();
    case ThreadOrder::kRandom:
      return able[machine.random.below(able.size())];
  }
  return nullptr;
}

// A GPU that is far behind its host: nothing runs until somebody waits, or nothing has been
// submitted for a while. Only so does a stream overtake another that has more to do.
constexpr uint64_t kPatienceNs = 200'000;

bool is_late(Machine& machine) {
  switch (machine.settings.order) {
    case ThreadOrder::kForward:
      return false;
    case ThreadOrder::kReverse:
      return true;
    case ThreadOrder::kRandom:
      return machine.random.below(4) == 0;
  }
  return false;
}

void let_work_pile_up(Machine& machine, std::unique_lock<QuietMutex>& lock) {
  while (machine.waiting_hosts == 0 && machine.submissions != machine.piled_up) {
    machine.piled_up = machine.submissions;
    machine.changed.wait_for(lock, kPatienceNs);
  }
}

void advance_clock(CUstream_st& stream, const StreamOp& op) {
  stream.clock_us = std::max(stream.clock_us, op.not_before_us);
  if (op.awaited != nullptr) stream.clock_us = std::max(stream.clock_us, op.awaited->time_us);
  stream.clock_us += op.us;
}

// On the stream's own fiber, as ThreadSanitizer sees it, and without the lock.
cudaError_t run_body(EmulatedGpu& gpu, CUstream_st& stream, StreamOp& op, bool broken) {
  void* const executor = tsan_current_fiber();
  if (stream.tsan_fiber == nullptr) stream.tsan_fiber = tsan_make_fiber();
  tsan_switch(stream.tsan_fiber);
  tsan_acquire(&op);
  if (op.awaited != nullptr) tsan_acquire(op.awaited.get());
  cudaError_t error = cudaSuccess;
  if (op.body && !broken) error = op.body();
  op.body = nullptr;
  if (op.recorded != nullptr) tsan_release(op.recorded.get());
  tsan_release(&stream.token);
  tsan_release(&gpu.token);
  tsan_switch(executor);
  return error;
}

void run_one(Machine& machine, std::unique_lock<QuietMutex>& lock, CUstream_st& stream) {
  const std::unique_ptr<StreamOp> op = std::move(stream.queue.front());
  stream.queue.pop_front();
  stream.busy = true;
  advance_clock(stream, *op);
  EmulatedGpu& gpu = machine.gpus[stream.device];
  const bool broken = gpu.broken != cudaSuccess;

  lock.unlock();
  const cudaError_t error = run_body(gpu, stream, *op, broken);
  lock.lock();

  if (error != cudaSuccess) gpu.broken = error;
  if (op->recorded != nullptr) {
    op->recorded->passed = true;
    op->recorded->time_us = stream.clock_us;
  }
  stream.busy = false;
  ++stream.finished;
  if (stream.destroyed && stream.queue.empty())
    std::erase_if(machine.streams, [&](const auto& known) { return known.get() == &stream; });
  machine.changed.notify_all();
}

void run_executor(Machine& machine) {
  const TsanUnseen unseen;
  std::unique_lock lock(machine.mutex);
  for (;;) {
    if (is_late(machine)) let_work_pile_up(machine, lock);
    CUstream_st* const stream = choose_stream(machine);
    machine.open_memory(stream != nullptr);
    if (stream != nullptr) {
      run_one(machine, lock, *stream);
    } else {
      machine.changed.wait(lock);
    }
  }
}

}  // namespace

void submit(Machine& machine, cudaStream_t stream, StreamOp op) {
  if (stream->capture != nullptr) {
    stream->capture->add(stream, std::move(op));
    return;
  }
  auto queued = std::make_unique<StreamOp>(std::move(op));
  queued->not_before_us = machine.host_clock_us;
  tsan_release(queued.get());
  stream->queue.push_back(std::move(queued));
  ++stream->submitted;
  ++machine.submissions;
  if (!machine.executor_started) {
    machine.executor_started = true;
    std::thread([&machine] { run_executor(machine); }).detach();
  }
  machine.changed.notify_all();
}

void wait_for_stream(Machine& machine, std::unique_lock<QuietMutex>& lock, cudaStream_t stream) {
  const uint64_t submitted = stream->submitted;
  wait_as_host(machine, lock, [&] { return stream->finished >= submitted; });
  machine.host_clock_us = std::max(machine.host_clock_us, stream->clock_us);
  tsan_acquire(&stream->token);
}

void wait_for_gpu(Machine& machine, std::unique_lock<QuietMutex>& lock, int gpu) {
  wait_as_host(machine, lock, [&] {
    return std::none_of(machine.streams.begin(), machine.streams.end(), [&](const auto& stream) {
      return stream->device == gpu && stream->finished < stream->submitted;
    });
  });
  tsan_acquire(&machine.gpus[gpu].token);
}

}  // namespace tessera
