#include "cuda_emulator/library_gemm.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <mutex>
#include <vector>

#include "cuda_emulator/api_call.h"

namespace tessera {
namespace {

constexpr int64_t kTileRows = 8;  // whose sums a processor keeps in registers

double wide(uint16_t bf16) {
  return std::bit_cast<float>(static_cast<uint32_t>(bf16) << 16);
}

// Device memory is read and written by memcpy of whole columns, which ThreadSanitizer sees.

// [in][kTileRows]: columns of b from `first` on, zeros for those that are not there.
std::vector<double> load_tile(const LibraryGemm& gemm, int64_t first) {
  std::vector<double> tile(static_cast<size_t>(gemm.in * kTileRows));
  std::vector<uint16_t> column(static_cast<size_t>(gemm.in));
  for (int64_t r = 0; r < std::min(kTileRows, gemm.rows - first); ++r) {
    std::memcpy(column.data(), gemm.b + (first + r) * gemm.b_stride, column.size() * 2);
    for (size_t i = 0; i < column.size(); ++i)
      tile[i * kTileRows + static_cast<size_t>(r)] = wide(column[i]);
  }
  return tile;
}

// [kTileRows][out]
std::vector<double> multiply_tile(const LibraryGemm& gemm, const std::vector<double>& tile) {
  std::vector<double> products(static_cast<size_t>(kTileRows * gemm.out));
  std::vector<uint16_t> column(static_cast<size_t>(gemm.in));
  for (int64_t o = 0; o < gemm.out; ++o) {
    std::memcpy(column.data(), gemm.a + o * gemm.a_stride, column.size() * 2);
    double sums[kTileRows] = {};
    const double* at = tile.data();
    for (const uint16_t code : column) {
      const double weight = wide(code);
      for (int64_t r = 0; r < kTileRows; ++r) sums[r] += weight * *at++;
    }
    for (int64_t r = 0; r < kTileRows; ++r)
      products[static_cast<size_t>(r * gemm.out + o)] = sums[r];
  }
  return products;
}

void store_tile(const LibraryGemm& gemm, int64_t first, const std::vector<double>& products,
                const std::vector<float>& bias) {
  const size_t out = static_cast<size_t>(gemm.out), bytes = out * sizeof(float);
  std::vector<float> before(out), column(out);
  for (int64_t r = 0; r < std::min(kTileRows, gemm.rows - first); ++r) {
    const int64_t at = (first + r) * gemm.d_stride;
    if (gemm.beta != 0) std::memcpy(before.data(), gemm.c + at, bytes);
    for (size_t o = 0; o < out; ++o) {
      double sum = gemm.alpha * products[static_cast<size_t>(r) * out + o];
      if (!bias.empty()) sum += bias[o];
      if (gemm.beta != 0) sum += static_cast<double>(gemm.beta) * before[o];
      column[o] = static_cast<float>(sum);
    }
    std::memcpy(gemm.d + at, column.data(), bytes);
  }
}

}  // namespace

cudaError_t run_library_gemm(const LibraryGemm& gemm, int gpu) {
  {
    const std::lock_guard lock(machine().mutex);
    if (const cudaError_t due = error_due(machine(), "kernel", gpu)) return due;
  }
  if (gemm.workspace_bytes > 0) std::memset(gemm.workspace, 0xff, gemm.workspace_bytes);
  std::vector<float> bias(gemm.bias != nullptr ? static_cast<size_t>(gemm.out) : 0);
  if (!bias.empty()) std::memcpy(bias.data(), gemm.bias, bias.size() * sizeof(float));
  for (int64_t first = 0; first < gemm.rows; first += kTileRows)
    store_tile(gemm, first, multiply_tile(gemm, load_tile(gemm, first)), bias);
  return cudaSuccess;
}

}  // namespace tessera
