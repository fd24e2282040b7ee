#include "cuda_emulator/grid.h"

#include <memory>
#include <numeric>

#include "cuda_emulator/kernel_indices.h"
#include "cuda_emulator/sanitizers.h"
#include "cuda_emulator/seeded.h"
#include "cuda_emulator/shared_memory.h"
#include "cuda_emulator/thread_block.h"

namespace tessera {
namespace {

// The blocks 0 to count - 1, each once: a + b i mod count with b and count coprime, which needs no
// room.
class BlockSequence {
 public:
  BlockSequence(uint64_t count, ThreadOrder order, uint64_t seed) : count_(count) {
    if (order == ThreadOrder::kReverse) {
      at_ = count - 1;
      step_ = count - 1;
    } else if (order == ThreadOrder::kRandom) {
      Seeded random(seed);
      at_ = random.below(count);
      do step_ = random.below(count);
      while (std::gcd(step_, count) != 1);
    }
  }

  uint64_t next() {
    const uint64_t block = at_ % count_;
    at_ = (at_ + step_) % count_;
    return block;
  }

 private:
  uint64_t count_, at_ = 0, step_ = 1;
};

}  // namespace

void run_grid(const GridShape& shape, ThreadOrder order, uint64_t seed, bool kernels_seen,
              const std::function<void()>& body) {
  kernel_indices.grid_shape = shape.grid;
  ThreadBlock& block = thread_block();
  SharedMemory& shared = shared_memory();
  block.set_order(order, seed, kernels_seen);
  const TsanUnseen unseen;
  struct End {
    std::unique_ptr<uint64_t> token = std::make_unique<uint64_t>();
    ~End() {
      tsan_acquire(token.get());
      shared_memory().clear();
    }
  } end;

  const uint64_t count = uint64_t{shape.grid.x} * shape.grid.y * shape.grid.z;
  BlockSequence blocks(count, order, seed);
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t number = blocks.next();
    const uint3 index = {static_cast<uint32_t>(number % shape.grid.x),
                         static_cast<uint32_t>(number / shape.grid.x % shape.grid.y),
                         static_cast<uint32_t>(number / shape.grid.x / shape.grid.y)};
    shared.start_block(shape.shared_bytes);
    block.run(shape.block, index, body, end.token.get());
  }
}

}  // namespace tessera
