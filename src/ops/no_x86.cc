#include "ops/activation_loops.h"
#include "ops/attention_tile.h"
#include "ops/matmul_tile.h"
#include "ops/quantise.h"
#include "ops/row_loops.h"
#include "ops/sampling_loops.h"

// Linked on other processors, where best_isa() is kPlain and none of these is called.

namespace tessera {

ActivationLoops activation_loops_avx2() {
  return activation_loops_plain();
}
ActivationLoops activation_loops_avx512() {
  return activation_loops_plain();
}
RowLoops row_loops_avx2() {
  return row_loops_plain();
}
RowLoops row_loops_avx512() {
  return row_loops_plain();
}
SamplingLoops sampling_loops_avx2() {
  return sampling_loops_plain();
}
SamplingLoops sampling_loops_avx512() {
  return sampling_loops_plain();
}
void attend_avx2(const AttentionTile& tile) {
  attend_plain(tile);
}
void attend_avx512(const AttentionTile& tile) {
  attend_plain(tile);
}
void attend_avx512_vnni(const AttentionTile& tile) {
  attend_plain(tile);
}
void attend_amx_bf16(const AttentionTile& tile) {
  attend_plain(tile);
}
void attend_avx512_bf16(const AttentionTile& tile) {
  attend_plain(tile);
}
MatmulKernel matmul_kernel_avx2(int bits) {
  return matmul_kernel_plain(bits);
}
MatmulKernel matmul_kernel_avx512(int bits) {
  return matmul_kernel_plain(bits);
}
MatmulKernel matmul_kernel_avx512_vnni(int bits) {
  return matmul_kernel_plain(bits);
}
MatmulKernel matmul_kernel_avx512_bf16(int bits) {
  return matmul_kernel_plain(bits);
}
MatmulKernel matmul_kernel_amx_int8(int bits) {
  return matmul_kernel_plain(bits);
}
MatmulKernel matmul_kernel_amx_bf16(int bits) {
  return matmul_kernel_plain(bits);
}
void quantise_avx512(const float* values, int bits, uint8_t* codes, uint16_t* scales) {
  quantise_plain(values, bits, codes, scales);
}

void rotate_avx512(float* values, int64_t inputs) {
  rotate_plain(values, inputs);
}

}  // namespace tessera
