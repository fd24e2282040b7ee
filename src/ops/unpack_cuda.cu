#include "cuda/kernel.cuh"
#include "ops/enqueue.cuh"
#include "ops/unpack_cuda.h"

namespace tessera {
namespace {

// A word is an f32, or the bf16 of two neighbouring inputs: either way panels are [words][16].
constexpr int kUnpackWords = 32;  // of each row, by one block
constexpr int kUnpackThreads = kUnpackWords * static_cast<int>(kPanelRows);

// One panel's rows, 32 words of each: read along the panel, written along the rows.
__global__ void __launch_bounds__(kUnpackThreads)
    unpack_panels_kernel(const uint32_t* from, int64_t panel_words, int64_t row_words,
                         uint32_t* to) {
  constexpr int kRows = static_cast<int>(kPanelRows);
  struct Tile {
    uint32_t words[kUnpackWords][kRows + 1];  // the last column: no two rows share a bank
  };
  Tile& tile = block_shared<Tile>();
  const int64_t panel = blockIdx.y;
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kUnpackWords;
  const int thread = static_cast<int>(threadIdx.x);
  from += panel * panel_words + first * kRows;
  to += panel * kRows * row_words + first;

  const int row_in = thread % kRows, word_in = thread / kRows;
  if (first + word_in < row_words) tile.words[word_in][row_in] = from[thread];
  __syncthreads();
  const int word_out = thread % kUnpackWords, row_out = thread / kUnpackWords;
  if (first + word_out < row_words)
    to[row_out * row_words + word_out] = tile.words[word_out][row_out];
}

}  // namespace

void unpack_panels_cuda(const CudaQueue& queue, const PackedMatrix& to, int64_t first_panel,
                        int64_t panels, const void* from) {
  const int64_t row_words = to.padded_in() * to.format().bits / 32;
  const int64_t panel_words = to.panel_bytes() / 4;
  auto* rows = static_cast<uint32_t*>(to.data) + first_panel * kPanelRows * row_words;
  const dim3 grid(static_cast<unsigned>((row_words + kUnpackWords - 1) / kUnpackWords),
                  static_cast<unsigned>(panels));
  enqueue(queue, "unpack_panels", unpack_panels_kernel, grid, kUnpackThreads,
          static_cast<const uint32_t*>(from), panel_words, row_words, rows);
}

}  // namespace tessera
