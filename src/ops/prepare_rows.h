#pragma once

#include <cstdint>
#include <cstring>

#include "ops/bf16_round.h"
#include "ops/code_scale.h"
#include "ops/hadamard_block.h"
#include "ops/matmul_tile.h"

// One row of x as the kernels read it, as loops that a compiler turns into vectors: compiled once
// for each instruction set, with internal linkage and nothing inline from other headers.

namespace tessera {
namespace {

/// Where the values of one chunk of the row go.
template <typename T>
T* prepared_chunk(const MatmulOperands& op, int64_t chunk, int64_t row) {
  return static_cast<T*>(op.prepared.values) + (chunk * op.rows + row) * op.chunk;
}

inline int64_t at_most(int64_t count, int64_t most) {
  return count < most ? count : most;
}

inline void prepare_f32(const MatmulOperands& op, int64_t row) {
  for (int64_t c = 0; c < op.chunks; ++c) {
    const int64_t first = c * op.chunk, count = at_most(op.in - first, op.chunk);
    memcpy(prepared_chunk<float>(op, c, row), op.x + row * op.x_stride + first,
           static_cast<size_t>(count) * 4);
  }
}

inline void prepare_bf16(const MatmulOperands& op, int64_t row) {
  for (int64_t c = 0; c < op.chunks; ++c) {
    const int64_t first = c * op.chunk, count = at_most(op.in - first, op.chunk);
    auto* to = prepared_chunk<uint16_t>(op, c, row);
    const float* from = op.x + row * op.x_stride + first;
    for (int64_t i = 0; i < count; ++i) to[i] = bf16_rounded(from[i]);
    if (count % 2 != 0) to[count] = 0;
  }
}

using Eight = float __attribute__((vector_size(32)));
constexpr int64_t kMostInGroup = 128;

/// values[0 .. count - 1] in place: the butterflies of distance 1, 2, 4, .., in this order.
///   count   a power of two, 16 to 128; values aligned to 32 bytes
inline void hadamard(float* values, int64_t count) {
  constexpr Eight kOne = {1, -1, 1, -1, 1, -1, 1, -1}, kTwo = {1, 1, -1, -1, 1, 1, -1, -1},
                  kFour = {1, 1, 1, 1, -1, -1, -1, -1};
  auto* v = reinterpret_cast<Eight*>(values);
  for (int64_t i = 0; i < count / 8; ++i) {
    v[i] = v[i] * kOne + __builtin_shufflevector(v[i], v[i], 1, 0, 3, 2, 5, 4, 7, 6);
    v[i] = v[i] * kTwo + __builtin_shufflevector(v[i], v[i], 2, 3, 0, 1, 6, 7, 4, 5);
    v[i] = v[i] * kFour + __builtin_shufflevector(v[i], v[i], 4, 5, 6, 7, 0, 1, 2, 3);
  }
  for (int64_t step = 1; step < count / 8; step *= 2)
    for (int64_t from = 0; from < count / 8; from += 2 * step)
      for (int64_t i = from; i < from + step; ++i) {
        const Eight sum = v[i] + v[i + step], difference = v[i] - v[i + step];
        v[i] = sum;
        v[i + step] = difference;
      }
}

/// A group of a row, padded with zeros to whole quanta and rotated block by block, in `room`.
inline const float* rotated(const float* from, int64_t count, int64_t padded, float* room) {
  memcpy(room, from, static_cast<size_t>(count) * 4);
  for (int64_t i = count; i < padded; ++i) room[i] = 0;
  for (int64_t i = 0; i < padded;) {
    const int64_t block = hadamard_block(padded - i);
    hadamard(room + i, block);
    i += block;
  }
  return room;
}

inline void prepare_codes(const MatmulOperands& op, int64_t row) {
  alignas(64) float room[kMostInGroup];
  for (int64_t g = 0; g * op.group < op.in; ++g) {
    const int64_t first = g * op.group;
    int64_t count = at_most(op.in - first, op.group);
    auto* to = prepared_chunk<int8_t>(op, first / op.chunk, row) + first % op.chunk;
    const float* from = op.x + row * op.x_stride + first;
    if (op.bits == 8) {
      const int64_t padded = at_most(op.padded_in - first, op.group);
      from = rotated(from, count, padded, room);
      count = padded;
    }
    const CodeScale code = code_scale(largest_magnitude(from, count), 127);
    const bool finite = code.scale == code.scale;
    int32_t sum = 0;
    for (int64_t i = 0; i < count; ++i) {
      const int32_t whole = finite ? nearest_code(from[i] * code.inverse) : 0;
      to[i] = static_cast<int8_t>(whole);
      sum += whole;
    }
    for (int64_t i = count; i < op.group; ++i) to[i] = 0;
    op.prepared.scales[g * op.rows + row] = code.scale;
    op.prepared.sums[g * op.rows + row] = sum;
  }
}

}  // namespace
}  // namespace tessera
