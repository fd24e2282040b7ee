#include "cuda_emulator/tile_words.h"

#include <bit>
#include <span>

#include "cuda_emulator/thread_block.h"

namespace tessera {
namespace {

struct MatrixOperands {
  const uint32_t* a;
  const uint32_t* b;
};

float bf16_of(uint32_t word, int half) {
  return std::bit_cast<float>(half == 0 ? word << 16 : word & 0xffff0000u);
}

// The byte'th signed one of a word.
int byte_of(uint32_t word, int byte) {
  return static_cast<int8_t>(word >> 8 * byte);
}

template <typename Number, int kDepth>
struct Tiles {
  Number a[16][kDepth], b[kDepth][8], d[16][8];
};

// Columns side by side, for the compiler's vectors, which the sanitizers' checks of each element
// would undo; all indices are constants.
template <typename Number, int kDepth>
[[gnu::no_sanitize("address", "undefined")]] void multiply(Tiles<Number, kDepth>& tiles) {
  for (int row = 0; row < 16; ++row)
    for (int k = 0; k < kDepth; ++k)
      for (int column = 0; column < 8; ++column)
        tiles.d[row][column] += tiles.a[row][k] * tiles.b[k][column];
}

// The layout is that of mma_bf16 in cuda/kernel.cuh.
[[gnu::no_sanitize("undefined")]] void multiply_bf16(std::span<DeviceThread* const> lanes,
                                                     uint32_t) {
  Tiles<double, 16> tiles;
  for (int l = 0; l < 32; ++l) {
    const auto& operands = *static_cast<const MatrixOperands*>(lanes[l]->given);
    const auto* sums = static_cast<const float*>(lanes[l]->taken);
    const int g = l / 4, t = l % 4;
    for (int half = 0; half < 2; ++half) {
      const int k = 2 * t + half;
      tiles.a[g][k] = bf16_of(operands.a[0], half);
      tiles.a[g + 8][k] = bf16_of(operands.a[1], half);
      tiles.a[g][k + 8] = bf16_of(operands.a[2], half);
      tiles.a[g + 8][k + 8] = bf16_of(operands.a[3], half);
      tiles.b[k][g] = bf16_of(operands.b[0], half);
      tiles.b[k + 8][g] = bf16_of(operands.b[1], half);
      tiles.d[g][k] = sums[half];
      tiles.d[g + 8][k] = sums[2 + half];
    }
  }
  multiply(tiles);
  for (int l = 0; l < 32; ++l) {
    auto* sums = static_cast<float*>(lanes[l]->taken);
    const int g = l / 4, t = l % 4;
    for (int half = 0; half < 2; ++half) {
      sums[half] = static_cast<float>(tiles.d[g][2 * t + half]);
      sums[2 + half] = static_cast<float>(tiles.d[g + 8][2 * t + half]);
    }
  }
}

// That of mma_int8.
[[gnu::no_sanitize("undefined")]] void multiply_int8(std::span<DeviceThread* const> lanes,
                                                     uint32_t) {
  Tiles<int, 32> tiles;
  for (int l = 0; l < 32; ++l) {
    const auto& operands = *static_cast<const MatrixOperands*>(lanes[l]->given);
    const auto* sums = static_cast<const int*>(lanes[l]->taken);
    const int g = l / 4, t = l % 4;
    for (int byte = 0; byte < 4; ++byte) {
      const int k = 4 * t + byte;
      for (int word = 0; word < 4; ++word)
        tiles.a[g + word % 2 * 8][k + word / 2 * 16] = byte_of(operands.a[word], byte);
      for (int word = 0; word < 2; ++word)
        tiles.b[k + word * 16][g] = byte_of(operands.b[word], byte);
    }
    for (int i = 0; i < 4; ++i) tiles.d[g + i / 2 * 8][2 * t + i % 2] = sums[i];
  }
  multiply(tiles);
  for (int l = 0; l < 32; ++l) {
    auto* sums = static_cast<int*>(lanes[l]->taken);
    for (int i = 0; i < 4; ++i) sums[i] = tiles.d[l / 4 + i / 2 * 8][2 * (l % 4) + i % 2];
  }
}

void combine_matrices(std::span<DeviceThread* const> lanes, uint32_t) {
  for (int l = 0; l < 32; ++l) {
    auto* const words = static_cast<uint32_t*>(lanes[l]->taken);
    for (int matrix = 0; matrix < 4; ++matrix)
      words[matrix] = static_cast<const uint32_t*>(lanes[matrix * 8 + l / 4]->given)[l % 4];
  }
}

bool is_aligned(const void* address) {
  return reinterpret_cast<uintptr_t>(address) % 16 == 0;
}

}  // namespace

void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], SourcePlace place) {
  const MatrixOperands operands = {a, b};
  thread_block().collective(WarpWord::kMultiplyBf16, ~0u, &operands, d, multiply_bf16, place);
}

void mma_int8(int (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], SourcePlace place) {
  const MatrixOperands operands = {a, b};
  thread_block().collective(WarpWord::kMultiplyInt8, ~0u, &operands, d, multiply_int8, place);
}

void spread_matrices(uint32_t (&words)[4], const uint4& row, SourcePlace place) {
  thread_block().collective(WarpWord::kLoadMatrix, ~0u, &row, words, combine_matrices, place);
}

void check_async_copy(const void* shared, const void* global, SourcePlace place) {
  if (!is_aligned(shared) || !is_aligned(global))
    thread_block().fail("cp_async_16 of an address that is not 16-byte aligned", place);
}

void start_async_copy(AsyncCopy copy, SourcePlace place) {
  if (!thread_block().running().copies.start(copy))
    thread_block().fail("too many asynchronous copies under way for the emulator", place);
}

void commit_async_copies(SourcePlace place) {
  if (!thread_block().running().copies.commit())
    thread_block().fail("too many groups of asynchronous copies for the emulator", place);
}

AsyncCopy land_async_copy(uint32_t groups) {
  return thread_block().running().copies.land(groups);
}

}  // namespace tessera
