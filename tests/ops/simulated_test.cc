// On a simulated device every op charges its cost, touches nothing, and checks its arguments.
#include <gtest/gtest.h>

#include <functional>

#include "ops/activation.h"
#include "ops/add.h"
#include "ops/attention.h"
#include "ops/embedding.h"
#include "ops/matmul.h"
#include "ops/norm.h"
#include "ops/patches.h"
#include "ops/rope.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

class Simulated : public testing::Test {
 protected:
  // 1 FLOP takes a second, 1 byte a millionth: the clock shows the larger of the two.
  Simulated()
      : device_(open_simulated_device({.name = "sim:0",
                                       .kind = DeviceKind::kSimulated,
                                       .budget_bytes = 1024,
                                       .read_bytes_per_s = 1e6,
                                       .flops_per_s = 1})),
        stream_(device_->open_stream("test")) {}

  Tensor f32(const Shape& shape) { return {nullptr, device_.get(), DType::kF32, shape}; }
  Tensor i32(const Shape& shape) { return {nullptr, device_.get(), DType::kI32, shape}; }

  double seconds(const std::function<void()>& call) {
    const auto before = device_->make_event(), after = device_->make_event();
    stream_->record(*before);
    call();
    stream_->record(*after);
    after->synchronize();
    return after->time_s() - before->time_s();
  }

  std::unique_ptr<Device> device_;
  std::unique_ptr<Stream> stream_;
};

TEST_F(Simulated, MatmulIsTwoFlopsForEachWeightAndRow) {
  const PackedMatrix w = {nullptr, device_.get(), Precision::kBF16, 40, 30};
  Arena arena(*device_);
  Tensor out = f32({7, 40});
  EXPECT_EQ(seconds([&] { matmul(*stream_, arena, f32({7, 30}), w, {}, out); }), 2 * 7 * 40 * 30);
}

TEST_F(Simulated, AttentionIsFourFlopsForEachTokenInContextAndDimension) {
  Tensor q = f32({3, 14 * 16});
  const KvPages pages = {nullptr, device_.get(), KvFormat::kBF16, 9, 2, 16};
  BatchRows rows = {.positions = i32({3}),
                    .sequence = i32({3}),
                    .blocks = i32({1, 4}),
                    .max_context = 50,
                    .context_tokens = 48 + 49 + 50};
  const auto run = [&] { paged_attention(*stream_, q, pages, rows, 14, 1, q); };
  EXPECT_EQ(seconds(run), 4 * (48 + 49 + 50) * 14 * 16);
  rows.context_tokens = 0;
  EXPECT_EQ(seconds(run), 4 * 3 * 50 * 14 * 16);

  Tensor k = f32({5, 32});
  Arena arena(*device_);
  EXPECT_EQ(seconds([&] { full_attention(*stream_, arena, k, k, k, DType::kF32, 2, 1, k); }),
            4 * 5 * 5 * 32);
}

TEST_F(Simulated, EveryOtherOpTakesItsTimeWithoutMemory) {
  Tensor x = f32({4, 6}), wide = f32({4, 12}), row = f32({6});
  Tensor pixels = f32({3, 4, 4}), patches = f32({4, 12});
  KvPages pages = {nullptr, device_.get(), KvFormat::kF32, 2, 1, 6};
  const BatchRows rows = {
      .positions = i32({4}), .sequence = i32({4}), .blocks = i32({1, 1}), .max_context = 4};
  const std::vector<std::function<void()>> calls = {
      [&] {
        embedding(*stream_, i32({4}), f32({9, 6}), x);
      },
      [&] { rms_norm(*stream_, x, row, 0, x); },
      [&] { layer_norm(*stream_, x, row, row, 0, x); },
      [&] { rope(*stream_, x, i32({4}), 1, 6, f32({3})); },
      [&] { swiglu(*stream_, wide, x); },
      [&] { gelu(*stream_, x, GeluKind::kErf); },
      [&] { add(*stream_, x, x, x); },
      [&] { copy_rows(*stream_, x, x); },
      [&] { patchify(*stream_, pixels, 2, patches); },
      [&] { kv_append(*stream_, x, x, rows, pages); }};
  for (size_t i = 0; i < calls.size(); ++i) EXPECT_GT(seconds(calls[i]), 0) << i;
  EXPECT_EQ(error_of([&] { rms_norm(*stream_, x, f32({5}), 0, x); }),
            "rms_norm: weight: expected f32 [6], found f32 [5]");
}

}  // namespace
}  // namespace tessera
