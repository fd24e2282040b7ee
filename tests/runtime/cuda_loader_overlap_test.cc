// Loading in the emulator's time: what goes on side by side.

#include <gtest/gtest.h>

#include <cstring>

#include "runtime/device_feed.h"
#include "tests/runtime/emulated_engine_fixture.h"

namespace tessera {
namespace {

class CudaLoaderOverlap : public CudaEngine {};

// Seconds of the cards' virtual time for each to pack so many pieces, 8 rows of f32 into int8.
double feed_s(const Devices& devices, int pieces) {
  constexpr int64_t kRows = 8, kCols = 4096;
  const uint64_t piece_bytes = kRows * kCols * sizeof(float);
  const auto clock = devices[0]->open_stream("clock");
  const auto begin = devices[0]->make_event(), end = devices[0]->make_event();
  const PackedMatrix shape = {.precision = Precision::kInt8, .out = kRows * pieces, .in = kCols};
  struct Fed {
    Fed(Device& on, uint64_t piece_bytes, uint64_t weight_bytes)
        : device(on),
          feed(on, piece_bytes),
          data(on.allocate_host(piece_bytes)),
          weights(on.allocate(weight_bytes, MemoryKind::kWeights, "test")),
          copied(on.make_event()) {
      std::memset(data.data(), 0, piece_bytes);
    }
    Device& device;
    DeviceFeed feed;
    HostBuffer data;
    DeviceBuffer weights;
    std::unique_ptr<Event> copied;
  };
  std::vector<std::unique_ptr<Fed>> fed;
  for (const auto& device : devices)
    fed.push_back(std::make_unique<Fed>(*device, piece_bytes, shape.bytes()));
  clock->record(*begin);
  clock->synchronize();
  for (int piece = 0; piece < pieces; ++piece)
    for (const auto& to : fed)
      to->feed.submit({.bytes = piece_bytes,
                       .dtype = DType::kF32,
                       .first_row = kRows * piece,
                       .rows = kRows,
                       .destinations = {{.form = WeightForm::kMatrix,
                                         .precision = Precision::kInt8,
                                         .data = to->weights.data(),
                                         .device = &to->device,
                                         .rows = shape.out,
                                         .cols = kCols}}},
                      static_cast<const std::byte*>(to->data.data()), *to->copied);
  for (const auto& to : fed) to->feed.finish();
  clock->record(*end);
  clock->synchronize();
  return end->time_s() - begin->time_s();
}

// In virtual time, of which an op takes 100 us and a piece on its link as much: one after another
// they would take 300 us a piece.
TEST_F(CudaLoaderOverlap, CopiesAndPacksSideBySideAndOnAllCardsAtOnce) {
  EmulatedMachine machine = emulated_machine_of_environment();
  machine.kernels_seen = false;
  machine.op_us = 100;
  machine.link_bytes_per_s = 8 * 4096 * sizeof(float) / 100e-6;
  set_up_emulated_machine(machine);
  const Devices devices = three_gpus();
  const double few_s = feed_s(devices, 2), many_s = feed_s(devices, 12);
  EXPECT_NEAR((many_s - few_s) / 10, 200e-6, 20e-6);
}

}  // namespace
}  // namespace tessera
