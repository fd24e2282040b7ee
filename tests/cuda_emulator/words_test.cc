#include <gmock/gmock.h>

#include <vector>

#include "tests/cuda_emulator/device_vector.h"
#include "tests/cuda_emulator/machine_fixture.h"
#include "tests/cuda_emulator/words_kernels.h"

namespace tessera {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;

using Words = EmulatedMachineTest;

std::vector<int> shuffled(ShuffleKind kind, int argument, int width) {
  const TestStream stream;
  const DeviceVector<int> out(32);
  run_shuffle(kind, argument, width, out.data(), stream);
  return out.read(stream);
}

// CUDA C++ programming guide 13.0, 10.22: a lane whose source lies outside keeps its own value.
TEST_F(Words, ShufflesWithinTheirWidth) {
  for (const int width : {1, 2, 4, 8, 16, 32})
    for (const int argument : {0, 1, 3, 8, 31}) {
      std::vector<int> by_xor, up, down, index;
      for (int lane = 0; lane < 32; ++lane) {
        const int first = lane / width * width, last = first + width - 1;
        by_xor.push_back((lane ^ argument) <= last ? lane ^ argument : lane);
        up.push_back(lane - argument >= first ? lane - argument : lane);
        down.push_back(lane + argument <= last ? lane + argument : lane);
        index.push_back(first + argument % width);
      }
      EXPECT_THAT(shuffled(ShuffleKind::kXor, argument, width), ElementsAreArray(by_xor));
      EXPECT_THAT(shuffled(ShuffleKind::kUp, argument, width), ElementsAreArray(up));
      EXPECT_THAT(shuffled(ShuffleKind::kDown, argument, width), ElementsAreArray(down));
      EXPECT_THAT(shuffled(ShuffleKind::kIndex, argument, width), ElementsAreArray(index));
    }
}

TEST_F(Words, VotesAndReductionsOfSomeLanes) {
  const TestStream stream;
  const DeviceVector<unsigned> out(kVoteResults);
  run_votes(out.data(), stream);
  // Lanes 0, 2, ... 30, which add up to 240; 7 - 30 = -23; 7 - 8 wraps to the largest unsigned.
  EXPECT_THAT(out.read(stream),
              ElementsAre(0x55400000u, 1u, 0u, 240u, -23, 0xffffffffu, 0x100u, 0x1eu, 0u));
}

TEST_F(Words, VotesOfABlock) {
  const TestStream stream;
  const DeviceVector<int> out(4);
  run_barrier_votes(out.data(), stream);
  EXPECT_THAT(out.read(stream), ElementsAre(32, 1, 1, 0));
}

TEST_F(Words, Atomics) {
  const TestStream stream;
  const DeviceVector<int> ints(std::vector<int>(7), stream);
  const DeviceVector<float> sum(std::vector<float>(1), stream);
  const DeviceVector<unsigned long long> large(std::vector<unsigned long long>(1), stream);
  run_atomics(ints.data(), sum.data(), large.data(), stream);
  EXPECT_THAT(ints.read(stream), ElementsAre(255 * 128, 255, -255, -1, 1, 5, -256));
  EXPECT_THAT(sum.read(stream), ElementsAre(128.0f));
  EXPECT_THAT(large.read(stream), ElementsAre(256ull << 33));
}

TEST_F(Words, FencesLetTheLastBlockReadTheOthers) {
  const TestStream stream;
  std::vector<float> x(20);
  for (int i = 0; i < 20; ++i) x[i] = static_cast<float>(i);
  const DeviceVector<float> on_x(x, stream), partial(20), out(64);
  const DeviceVector<unsigned> arrived(std::vector<unsigned>(1), stream);
  run_last_block(on_x.data(), partial.data(), arrived.data(), out.data(), 20, stream);
  EXPECT_THAT(out.read(stream), testing::Each(190.0f));
}

TEST_F(Words, TensorCoresMultiplyBytesExactly) {
  const TestStream stream;
  std::vector<signed char> a(16 * 32), b(8 * 32);
  std::vector<int> d(16 * 8), want;
  for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<signed char>(i * i * 7 + i - 128);
  for (size_t i = 0; i < b.size(); ++i) b[i] = static_cast<signed char>(i * 11 + i / 32 + 127);
  for (size_t i = 0; i < d.size(); ++i) d[i] = static_cast<int>(i * 1000003) - 50000000;
  for (int row = 0; row < 16; ++row)
    for (int column = 0; column < 8; ++column) {
      int sum = d[static_cast<size_t>(row * 8 + column)];
      for (int k = 0; k < 32; ++k)
        sum += a[static_cast<size_t>(row * 32 + k)] * b[static_cast<size_t>(column * 32 + k)];
      want.push_back(sum);
    }
  const DeviceVector<signed char> on_a(a, stream), on_b(b, stream);
  const DeviceVector<int> on_d(d, stream);
  run_multiply_int8(on_a.data(), on_b.data(), on_d.data(), stream);
  EXPECT_EQ(on_d.read(stream), want);
}

TEST_F(Words, IndicesInThreeDimensions) {
  const TestStream stream;
  const dim3 grid = {3, 2, 2}, block = {4, 3, 5};
  const size_t count = size_t{3} * 2 * 2 * 4 * 3 * 5;
  const DeviceVector<unsigned> out(count);
  run_indices(grid, block, out.data(), stream);
  const std::vector<unsigned> got = out.read(stream);
  for (unsigned i = 0; i < count; ++i) ASSERT_EQ(got[i], i);
}

}  // namespace
}  // namespace tessera
