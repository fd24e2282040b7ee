#include "device/cuda_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <stdexcept>

#include "base/clock.h"
#include "device/cuda_runtime_stream.h"
#include "tests/device/cuda_devices.h"
#include "tests/device/stream_bodies.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

using CudaStreamTest = EmulatedGpus;

// Values in memory that copies reach when they run, not when they are submitted.
HostBuffer pinned(Device& device, const std::vector<int>& values) {
  HostBuffer buffer = device.allocate_host(values.size() * sizeof(int));
  std::ranges::copy(values, buffer.as<int>().begin());
  return buffer;
}

std::vector<int> numbers_from(int first, size_t count) {
  std::vector<int> values(count);
  std::iota(values.begin(), values.end(), first);
  return values;
}

TEST_F(CudaStreamTest, RunsWorkForTheHostInOrderAndInNumbers) {
  const auto device = open_gpu();
  const auto stream = device->open_stream("compute");
  std::vector<int> seen;
  for (int i = 0; i < 1000; ++i) run(*stream, [&seen, i] { seen.push_back(i); });
  stream->synchronize();
  EXPECT_EQ(seen, numbers_from(0, 1000));
}

TEST_F(CudaStreamTest, CopiesAndHostWorkKeepTheirOrder) {
  const auto device = open_gpu();
  const auto stream = device->open_stream("compute");
  const HostBuffer in = pinned(*device, {1, 2, 3}), out = pinned(*device, {0, 0, 0});
  const DeviceBuffer a = upload(*device, std::vector<int>(3)),
                     b = upload(*device, std::vector<int>(3));
  int seen = 0;
  run(*stream, [to = in.as<int>()] { to[1] = 20; });
  stream->copy(a.data(), device.get(), in.data(), nullptr, 12);
  stream->copy(b.data(), device.get(), a.data(), device.get(), 12);
  stream->copy(out.data(), nullptr, b.data(), device.get(), 12);
  run(*stream, [&seen, from = out.as<int>()] { seen = from[1]; });
  stream->synchronize();
  EXPECT_EQ(seen, 20);
  EXPECT_EQ(download<int>(*device, b, 3), (std::vector<int>{1, 20, 3}));
}

// An event between two streams of two cards: without its wait, the copy on the second would read
// what is not there yet. Removing the wait in Stage::submit is caught by the same pattern.
TEST_F(CudaStreamTest, AnEventHoldsUpAStreamOfAnotherCard) {
  for (const uint64_t seed : {1, 2, 3, 4}) {
    set_up_emulated_machine(
        {.gpus = 2, .gpu_bytes = 64 * kMiB, .order = ThreadOrder::kRandom, .seed = seed});
    const auto a = open_gpu(0), b = open_gpu(1);
    const auto first = a->open_stream("first"), second = b->open_stream("second");
    const auto event = a->make_event();
    const DeviceBuffer on_a = upload(*a, std::vector<int>(1000, 0));
    const DeviceBuffer on_b = upload(*b, std::vector<int>(1000, 0));
    const HostBuffer in = pinned(*a, numbers_from(0, 1000)),
                     out = pinned(*b, numbers_from(0, 1000));
    second->wait(*event);  // never recorded: done
    for (int i = 0; i < 5; ++i) first->copy(on_a.data(), a.get(), in.data(), nullptr, 4000);
    first->copy(on_b.data(), b.get(), on_a.data(), a.get(), 4000);
    first->record(*event);
    second->wait(*event);
    second->copy(out.data(), nullptr, on_b.data(), b.get(), 4000);
    second->synchronize();
    EXPECT_THAT(out.as<int>(), testing::ElementsAreArray(numbers_from(0, 1000)));
    first->synchronize();
  }
}

TEST_F(CudaStreamTest, AWaitMeansTheLastRecordBeforeIt) {
  const auto device = open_gpu();
  const auto a = device->open_stream("a"), b = device->open_stream("b");
  const auto event = device->make_event();
  Gate gate;
  a->record(*event);
  b->wait(*event);
  run(*a, [] {});
  a->record(*event);  // not what b waits for
  b->synchronize();
  a->synchronize();
  event->synchronize();
}

TEST_F(CudaStreamTest, CopiesBetweenCardsArriveWholeWithAndWithoutPeerAccess) {
  forbid_emulated_peer(1, 2);
  forbid_emulated_peer(2, 1);
  const auto a = open_gpu(0), b = open_gpu(1), c = open_gpu(2);
  const std::vector<int> values = numbers_from(7, (5 * kMiB + 12344) / 4);  // with a ragged end
  const uint64_t bytes = values.size() * sizeof(int);
  const auto check = [&](Device& from, Device& to, Device& submitting) {
    const DeviceBuffer source = upload(from, values);
    const DeviceBuffer sink = to.allocate(bytes, MemoryKind::kArena, "sink");
    const auto stream = submitting.open_stream("send");
    for (const size_t part : {size_t{1}, values.size()}) {
      stream->copy(sink.data(), &to, source.data(), &from, part * sizeof(int));
      stream->synchronize();
      EXPECT_EQ(
          download<int>(to, sink, part),
          std::vector<int>(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(part)));
    }
  };
  check(*a, *b, *a);
  check(*a, *b, *b);
  check(*b, *c, *b);  // through the host
  check(*b, *c, *c);
  check(*c, *b, *c);
}

// The far end of a copy through the host is read, or written, by a stream of its own: not before
// what the copy's stream has waited for.
TEST_F(CudaStreamTest, AStagedCopyComesAfterWhatItsStreamHasWaitedFor) {
  for (const auto& [order, seed] : {std::pair{ThreadOrder::kReverse, uint64_t{1}},
                                    {ThreadOrder::kRandom, 2},
                                    {ThreadOrder::kRandom, 3}}) {
    SCOPED_TRACE(seed);
    set_up_emulated_machine({.gpus = 2, .gpu_bytes = 64 * kMiB, .order = order, .seed = seed});
    forbid_emulated_peer(0, 1);
    forbid_emulated_peer(1, 0);
    const auto a = open_gpu(0), b = open_gpu(1);
    const std::vector<int> before(1000, -1), values = numbers_from(0, 1000);
    const HostBuffer in = pinned(*a, values), seen = pinned(*b, std::vector<int>(1000)),
                     out = pinned(*b, std::vector<int>(1000));
    const DeviceBuffer on_a = upload(*a, before), on_b = upload(*b, before);
    const auto far = a->open_stream("far"), near = b->open_stream("near");
    const auto filled = a->make_event(), read = b->make_event();

    // `near` fetches what `far` has filled.
    for (int i = 0; i < 5; ++i) far->copy(on_a.data(), a.get(), in.data(), nullptr, 4000);
    far->record(*filled);
    near->wait(*filled);
    near->copy(on_b.data(), b.get(), on_a.data(), a.get(), 4000);
    near->copy(out.data(), nullptr, on_b.data(), b.get(), 4000);
    near->synchronize();
    EXPECT_THAT(out.as<int>(), testing::ElementsAreArray(values));

    // `far` sends once `near` has read what was there.
    b->write(on_b.data(), std::as_bytes(std::span(before)));
    for (int i = 0; i < 5; ++i) near->copy(seen.data(), nullptr, on_b.data(), b.get(), 4000);
    near->record(*read);
    far->wait(*read);
    far->copy(on_b.data(), b.get(), on_a.data(), a.get(), 4000);
    far->synchronize();
    near->synchronize();
    EXPECT_THAT(seen.as<int>(), testing::ElementsAreArray(before));
    EXPECT_EQ(download<int>(*b, on_b, 1000), values);
  }
}

// The pieces of a staged copy are on their way in and out at once: twice the bytes over the links,
// in little more than the time of once.
TEST_F(CudaStreamTest, AStagedCopyOverlapsItsTwoWays) {
  forbid_emulated_peer(0, 1);
  for (const auto& [from, to] : {std::pair{0, -1}, {-1, 1}}) set_emulated_link(from, to, 1e9);
  const auto a = open_gpu(0), b = open_gpu(1);
  constexpr uint64_t kBytes = 8 * kMiB;
  const DeviceBuffer source = a->allocate(kBytes, MemoryKind::kArena, "source");
  const DeviceBuffer sink = b->allocate(kBytes, MemoryKind::kArena, "sink");
  const auto stream = a->open_stream("send");
  const auto begin = a->make_event(), end = a->make_event();
  stream->record(*begin);
  stream->copy(sink.data(), b.get(), source.data(), a.get(), kBytes);
  stream->record(*end);
  stream->synchronize();
  const double once_s = static_cast<double>(kBytes) / 1e9;
  EXPECT_NEAR(end->time_s() - begin->time_s(), once_s * 9 / 8, once_s * 0.05);  // one piece ahead
}

TEST_F(CudaStreamTest, StreamsOfOtherKindsOfDevicesWaitAndCopy) {
  const auto gpu = open_gpu();
  const auto cpu = open_cpu();
  const auto on_gpu = gpu->open_stream("gpu"), on_cpu = cpu->open_stream("cpu");
  const auto gpu_event = gpu->make_event(), cpu_event = cpu->make_event();
  const DeviceBuffer there = upload(*gpu, std::vector<int>(1000));
  std::vector<int> here(1000), back(1000);
  run(*on_cpu, [&here] { std::iota(here.begin(), here.end(), 5); });
  on_cpu->copy(there.data(), gpu.get(), here.data(), cpu.get(), 4000);
  on_cpu->record(*cpu_event);
  on_gpu->wait(*cpu_event);
  const HostBuffer pinned_back = gpu->allocate_host(4000);
  on_gpu->copy(pinned_back.data(), nullptr, there.data(), gpu.get(), 4000);
  on_gpu->record(*gpu_event);
  on_cpu->wait(*gpu_event);
  run(*on_cpu, [&] { std::ranges::copy(pinned_back.as<int>(), back.begin()); });
  on_cpu->synchronize();
  EXPECT_EQ(back, numbers_from(5, 1000));
  on_cpu->copy(here.data(), cpu.get(), there.data(), gpu.get(), 2000);
  on_gpu->copy(here.data() + 500, cpu.get(), there.data(), gpu.get(), 2000);  // pageable
  on_cpu->synchronize();
  on_gpu->synchronize();
  EXPECT_EQ(here[700], 205);
  EXPECT_THAT(error_of([&] { on_cpu->record(*gpu_event); }), HasSubstr("another kind of device"));
  EXPECT_THAT(error_of([&] { on_gpu->record(*cpu_event); }), HasSubstr("made by a CUDA device"));
}

TEST_F(CudaStreamTest, SkipsWhatIsSubmittedOnceItsFlagIsCancelled) {
  const auto device = open_gpu();
  const auto stream = device->open_stream("vision");
  const auto event = device->make_event();
  const HostBuffer in = pinned(*device, {7}), out = pinned(*device, {1});
  const DeviceBuffer memory = upload(*device, std::vector<int>{1});
  std::vector<int> seen;
  CancelFlag flag;
  stream->skip_when(&flag);
  run(*stream, [&seen] { seen.push_back(1); });
  stream->synchronize();
  flag.cancel();
  run(*stream, [&seen] { seen.push_back(2); });
  stream->copy(memory.data(), device.get(), in.data(), nullptr, 4);
  static_cast<CudaStream&>(*stream).launch([&](const CudaQueue&) { seen.push_back(3); });
  stream->record(*event);
  stream->skip_when(nullptr);
  run(*stream, [&seen] { seen.push_back(4); });
  event->synchronize();
  stream->synchronize();
  EXPECT_EQ(seen, (std::vector<int>{1, 4}));
  EXPECT_EQ(download<int>(*device, memory, 1).front(), 1);
}

TEST_F(CudaStreamTest, ABodyThatThrowsBreaksItsStreamAndEventsStillPass) {
  const auto device = open_gpu();
  const auto stream = device->open_stream("compute");
  const auto event = device->make_event();
  bool ran = false;
  run(*stream, [] { throw UsageError({.where = "layer 3", .what = "token id out of range"}); });
  run(*stream, [&ran] { ran = true; });
  stream->record(*event);
  event->synchronize();
  EXPECT_THROW(stream->check(), UsageError);  // known once the event has passed
  static_cast<CudaStream&>(*stream).launch([&](const CudaQueue&) { ran = true; });
  EXPECT_FALSE(ran);
  EXPECT_THROW(stream->synchronize(), UsageError);  // the Error's own kind
  EXPECT_EQ(error_of([&] { stream->synchronize(); }), "layer 3: token id out of range");
  device->open_stream("another")->synchronize();  // of the same device, and whole
}

TEST_F(CudaStreamTest, OtherExceptionsBecomeErrorsThatNameTheStream) {
  const auto device = open_gpu();
  const auto line_of = [&](auto body) {
    const auto stream = device->open_stream("vision");
    run(*stream, body);
    return error_of([&] { stream->synchronize(); });
  };
  EXPECT_EQ(line_of([] { throw std::bad_alloc(); }), "cuda:0: stream vision: out of host memory");
  EXPECT_EQ(line_of([] { throw std::out_of_range("index 7"); }), "cuda:0: stream vision: index 7");
}

TEST_F(CudaStreamTest, ALaunchGetsTheStreamsQueue) {
  const auto device = open_gpu();
  const auto stream = device->open_stream("compute"), other = device->open_stream("other");
  const auto workspace_of = [](Stream& of) {
    void* workspace = nullptr;
    static_cast<CudaStream&>(of).launch([&](const CudaQueue& queue) {
      workspace = queue.workspace;
      EXPECT_EQ(queue.workspace_bytes, 256 * kKiB);
      EXPECT_EQ(queue.capability, 86);
      EXPECT_GT(queue.processors, 0);
      EXPECT_NE(queue.stream, nullptr);
    });
    return workspace;
  };
  void* const own = workspace_of(*stream);
  EXPECT_NE(own, nullptr);
  EXPECT_EQ(workspace_of(*stream), own);
  EXPECT_NE(workspace_of(*other), own);
  // Within those that the device set aside, and beyond.
  const uint64_t booked = device->ledger().used_bytes();
  const auto third = device->open_stream("third"), fourth = device->open_stream("fourth");
  workspace_of(*third);
  EXPECT_EQ(device->ledger().used_bytes(), booked);
  workspace_of(*fourth);
  EXPECT_EQ(device->ledger().used_bytes(), booked + 256 * kKiB);
}

TEST_F(CudaStreamTest, AWrongNumberThatAKernelFoundIsTheStreamsError) {
  const auto device = open_gpu();
  const auto stream = device->open_stream("compute");
  bool sampled = false;
  static_cast<CudaStream&>(*stream).launch([](const CudaQueue& queue) {
    *queue.fault = {.claimed = 1, .kind = FaultKind::kTokenId, .found = 70000, .limit = 64000};
  });
  run(*stream, [&sampled] { sampled = true; });
  EXPECT_EQ(error_of([&] { stream->synchronize(); }),
            "cuda:0: token id in stream compute: expected 0 to 63999, found 70000");
  EXPECT_EQ(error_of([&] { stream->check(); }),
            "cuda:0: token id in stream compute: expected 0 to 63999, found 70000");
  EXPECT_FALSE(sampled);
}

TEST_F(CudaStreamTest, EventsTellTheCardsTimeAcrossTheRenewalOfItsBase) {
  const auto device = open_gpu();
  const auto stream = device->open_stream("compute");
  const auto before = device->make_event(), begin = device->make_event(),
             end = device->make_event();
  const DeviceBuffer memory = device->allocate(kMiB, MemoryKind::kArena, "memory");
  const HostBuffer host = device->allocate_host(kMiB);
  const auto copy = [&] { stream->copy(memory.data(), device.get(), host.data(), nullptr, kMiB); };
  const double copy_s = 5e-6 + static_cast<double>(kMiB) / 12e9;
  EXPECT_EQ(begin->time_s(), 0);  // never recorded
  stream->record(*before);
  copy();
  stream->record(*begin);
  sleep_until_s(now_s() + 1.1);
  copy();
  copy();
  stream->record(*end);
  stream->synchronize();
  EXPECT_NEAR(begin->time_s() - before->time_s(), copy_s, 1e-7);
  EXPECT_NEAR(end->time_s() - begin->time_s(), 2 * copy_s, 1e-7);
}

}  // namespace
}  // namespace tessera
