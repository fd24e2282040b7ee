#include "cuda_emulator/thread_block.h"

#include <algorithm>
#include <bit>

#include "cuda_emulator/kernel_failure.h"
#include "cuda_emulator/kernel_indices.h"
#include "cuda_emulator/report.h"
#include "cuda_emulator/sanitizers.h"

namespace tessera {
namespace {

// Thrown on the stack of a thread whose block is given up, so that its locals are destroyed.
struct Abandoned {};

// ThreadSanitizer takes a fiber for one thread, whatever blocks and grids it serves, so that the
// order of its own steps would hide races between them: it gets four times as many as a block can
// need, used in turn.
constexpr size_t kMostFibers = kMaxBlockThreads * (kUnderTsan ? 4 : 1);

}  // namespace

ThreadBlock& thread_block() {
  static auto* const block = new ThreadBlock;  // never destroyed: its fibers have stacks to unwind
  return *block;
}

ThreadBlock::ThreadBlock() {
  threads_.reserve(kMaxBlockThreads);
}

void ThreadBlock::set_order(ThreadOrder order, uint64_t seed, bool kernels_seen) {
  order_ = order;
  kernels_seen_ = kernels_seen;
  random_ = Seeded(seed);
}

void ThreadBlock::run(dim3 block, uint3 index, const std::function<void()>& body, void* end_token) {
  if (home_ == nullptr) home_ = std::make_unique<Fiber>();
  home_->take_tsan_fiber();
  tokens_ = std::make_unique<Tokens>();
  end_token_ = end_token;
  body_ = &body;
  kernel_indices.block_shape = block;
  kernel_indices.block = index;
  place_threads(block);
  tsan_release(&tokens_->start);

  // Threads that are none of their own to ThreadSanitizer run as the one that stands here, which it
  // does not see: their stacks serve all streams in turn, and would be races.
  while (DeviceThread* next = next_ready()) enter(*home_, *next);
  if (!failed_ && exited_ < threads_.size()) {
    report_ = "deadlock in " + describe_block(index) + "\n" + describe_threads(threads_);
    failed_ = true;
  }
  if (failed_) abandon_threads();
  tokens_.reset();
  if (failed_) throw KernelFailure(report_);
}

DeviceThread& ThreadBlock::next_fiber() {
  const size_t number = next_fiber_++ % kMostFibers;
  if (number == fibers_.size()) {
    fibers_.push_back(std::make_unique<DeviceThread>([this, number] {
      for (;;) {
        run_thread(*fibers_[number]);
        give_way();
      }
    }));
  }
  return *fibers_[number];
}

void ThreadBlock::place_threads(dim3 block) {
  const uint32_t count = block.x * block.y * block.z;
  if constexpr (kUnderTsan) {
    if (next_fiber_ >= kMostFibers)
      next_fiber_ += random_.below(kMostFibers);  // not in the old pairs
  } else {
    next_fiber_ = 0;
  }
  threads_.clear();
  ready_.clear();
  for (Warp& warp : warps_) warp.count = warp.so_far = 0;
  exited_ = at_barrier_ = barriers_ = 0;
  votes_ = 0;
  failed_ = false;
  for (uint32_t i = 0; i < count; ++i) {
    DeviceThread& thread = next_fiber();
    thread.index = {i % block.x, i / block.x % block.y, i / block.x / block.y};
    thread.linear = i;
    if constexpr (kUnderTsan)
      kernels_seen_ ? thread.fiber.use_own_tsan_fiber() : thread.fiber.take_tsan_fiber();
    thread.state = ThreadState::kNew;
    thread.fenced = false;
    thread.last_atomic = nullptr;
    thread.copies.clear();
    threads_.push_back(&thread);
    ready_.add(&thread);
  }
}

// On the thread's own fiber.
void ThreadBlock::run_thread(DeviceThread& thread) {
  tsan_acquire(&tokens_->start);
  thread.state = ThreadState::kReady;
  try {
    (*body_)();
  } catch (const Abandoned&) {
  }
  tsan_release(end_token_);
  thread.state = ThreadState::kExited;
  ++exited_;
}

DeviceThread* ThreadBlock::next_ready() {
  if (failed_ || ready_.empty()) return nullptr;
  switch (order_) {
    case ThreadOrder::kForward:
      return ready_.take_first();
    case ThreadOrder::kReverse:
      return ready_.take_last();
    case ThreadOrder::kRandom:
      return ready_.take_random(random_);
  }
  return nullptr;
}

void ThreadBlock::enter(Fiber& from, DeviceThread& next) {
  running_ = &next;
  kernel_indices.thread = next.index;
  from.switch_to(next.fiber);
}

// Returns when the running thread may go on.
void ThreadBlock::give_way() {
  DeviceThread& self = *running_;
  DeviceThread* const next = next_ready();
  if (next == &self) return;
  if (next != nullptr) {
    enter(self.fiber, *next);
  } else {
    self.fiber.switch_to(*home_);
  }
  if (failed_ && self.state != ThreadState::kExited) throw Abandoned{};
}

int ThreadBlock::barrier(bool vote, SourcePlace place) {
  DeviceThread& self = *running_;
  self.state = ThreadState::kAtBarrier;
  self.place = place;
  votes_ += vote ? 1 : 0;
  ++at_barrier_;
  uint64_t* const token = &tokens_->barriers[barriers_ % 2];
  tsan_release(token);
  if (at_barrier_ == threads_.size()) open_barrier(place);
  give_way();
  tsan_acquire(token);
  return last_votes_;
}

void ThreadBlock::open_barrier(SourcePlace place) {
  for (const DeviceThread* thread : threads_) {
    if (!same_place(thread->place, place))
      fail("threads of a block meet at different barriers", place);
  }
  last_votes_ = votes_;
  votes_ = 0;
  at_barrier_ = 0;
  ++barriers_;
  for (DeviceThread* thread : threads_) {
    thread->state = ThreadState::kReady;
    ready_.add(thread);
  }
}

void ThreadBlock::collective(WarpWord word, uint32_t mask, const void* given, void* taken,
                             CombineLanes combine, SourcePlace place) {
  DeviceThread& self = *running_;
  self.state = ThreadState::kInWarp;
  self.place = place;
  self.word = word;
  self.mask = mask;
  self.given = given;
  self.taken = taken;
  if ((mask >> self.lane() & 1) == 0) fail("a lane is not in its own mask", place);

  const size_t first = self.linear - self.lane();
  const std::span<DeviceThread* const> lanes(
      threads_.data() + first, std::min<size_t>(kWarpThreads, threads_.size() - first));
  const uint32_t present = lanes.size() == kWarpThreads ? ~0u : (1u << lanes.size()) - 1;
  Warp& warp = warps_[first / kWarpThreads];
  Gathering& gathering = join(warp, self);
  uint64_t* const token = gathering.token;
  if (word == WarpWord::kSyncWarp) tsan_release(token);
  if (gathering.arrived == (mask & present)) {
    const Gathering all_here = gathering;
    gathering = warp.gatherings[--warp.count];
    complete(all_here, lanes, combine, place);
  }
  give_way();
  if (word == WarpWord::kSyncWarp) tsan_acquire(token);
}

ThreadBlock::Gathering& ThreadBlock::join(Warp& warp, const DeviceThread& thread) {
  uint32_t i = 0;
  while (i < warp.count &&
         (warp.gatherings[i].word != thread.word || warp.gatherings[i].mask != thread.mask))
    ++i;
  if (i == warp.count) {
    uint64_t* const token =
        &tokens_->warps[thread.linear / kWarpThreads][warp.so_far++ % kWarpTokens];
    warp.gatherings[warp.count++] = {thread.word, thread.mask, 0, token};
  }
  warp.gatherings[i].arrived |= 1u << thread.lane();
  return warp.gatherings[i];
}

void ThreadBlock::complete(const Gathering& gathering, std::span<DeviceThread* const> lanes,
                           CombineLanes combine, SourcePlace place) {
  const bool by_whole_warp = gathering.word >= WarpWord::kMultiplyBf16;
  if (by_whole_warp && lanes.size() < kWarpThreads) fail("needs a whole warp", place);
  for (uint32_t left = gathering.arrived; left != 0; left &= left - 1) {
    if (by_whole_warp && !same_place(lanes[std::countr_zero(left)]->place, place))
      fail("the lanes of a warp must do this in the same place of the program", place);
  }
  if (combine != nullptr) combine(lanes, gathering.arrived);
  for (uint32_t left = gathering.arrived; left != 0; left &= left - 1) {
    DeviceThread* const lane = lanes[std::countr_zero(left)];
    lane->state = ThreadState::kReady;
    ready_.add(lane);
  }
}

void ThreadBlock::fail(const std::string& what, SourcePlace place) {
  report_ = what + ": " + describe_place(place) + ", " + describe_block(kernel_indices.block) +
            " thread " + std::to_string(running_->linear) + "\n" + describe_threads(threads_);
  failed_ = true;
  throw Abandoned{};
}

// Unwinds every stack that is still inside of the kernel.
void ThreadBlock::abandon_threads() {
  for (DeviceThread* thread : threads_) {
    if (thread->state != ThreadState::kNew && thread->state != ThreadState::kExited)
      enter(*home_, *thread);
  }
}

void ThreadBlock::run_as_host(const std::function<void()>& work) {
  if (kernels_seen_) tsan_switch(home_->tsan_fiber());
  work();
  tsan_release(&tokens_->start);
  if (kernels_seen_) tsan_switch(running_->fiber.tsan_fiber());
  see_host_work();
}

void ThreadBlock::see_host_work() {
  tsan_acquire(&tokens_->start);
}

}  // namespace tessera
