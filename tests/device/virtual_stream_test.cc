#include "device/virtual_stream.h"

#include <gtest/gtest.h>

#include <numeric>
#include <stdexcept>

#include "tests/device/stream_bodies.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

TEST(VirtualStream, RunsInOrderOverManyLapsOfTheRing) {
  const auto device = open_cpu();
  const auto stream = device->open_stream("compute");
  std::vector<int> seen;
  seen.reserve(5000);
  for (int i = 0; i < 5000; ++i) run(*stream, [&seen, i] { seen.push_back(i); });
  stream->synchronize();
  std::vector<int> expected(5000);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(seen, expected);
}

TEST(VirtualStream, BodiesShareTheDevicesThreads) {
  const auto device = open_cpu({.name = "cpu:0", .threads = 3});
  const auto stream = device->open_stream("compute");
  int threads = 0;
  std::vector<int> out(1000);
  stream->run({}, Work([&](WorkerPool& pool) {
                threads = pool.threads();
                pool.for_each(1000, [&](int64_t i) { out[static_cast<size_t>(i)] = 1; });
              }));
  stream->synchronize();
  EXPECT_EQ(threads, 3);
  EXPECT_EQ(std::accumulate(out.begin(), out.end(), 0), 1000);
}

TEST(VirtualStream, TwoStreamsRunAtTheSameTime) {
  const auto device = open_cpu();
  const auto a = device->open_stream("a"), b = device->open_stream("b");
  // Each body waits for the other to have begun: in turn they would never end.
  std::atomic<int> begun{0};
  const auto meet = [&begun] {
    ++begun;
    begun.notify_all();
    for (int n = begun; n < 2; n = begun) begun.wait(n);
  };
  run(*a, meet);
  run(*b, meet);
  a->synchronize();
  b->synchronize();
  EXPECT_EQ(begun, 2);
}

TEST(VirtualStream, SkipsWhatWasQueuedOnceItsFlagIsCancelled) {
  const auto device = open_cpu();
  const auto stream = device->open_stream("vision");
  const auto event = device->make_event();
  std::vector<int> seen;
  CancelFlag flag;
  Gate gate;
  int copied = 0;
  const int value = 7;
  stream->skip_when(&flag);
  run(*stream, [&seen] { seen.push_back(1); });
  gate.close_on(*stream);
  run(*stream, [&seen] { seen.push_back(2); });
  stream->copy(&copied, device.get(), &value, nullptr, sizeof(value));
  stream->record(*event);
  stream->skip_when(nullptr);
  run(*stream, [&seen] { seen.push_back(3); });
  gate.wait_until_reached();
  flag.cancel();
  gate.open();
  event->synchronize();
  stream->synchronize();
  EXPECT_EQ(seen, (std::vector<int>{1, 3}));
  EXPECT_EQ(copied, 0);
}

TEST(VirtualStream, AFullRingMakesTheSubmitterWait) {
  const auto device = open_cpu();
  const auto stream = device->open_stream("compute");
  Gate gate;
  gate.close_on(*stream);
  gate.wait_until_reached();
  std::atomic<int> submitted{0}, ran{0};
  std::thread submitter([&] {
    for (int i = 0; i < 1000; ++i) {
      run(*stream, [&ran] { ++ran; });
      ++submitted;
    }
  });
  const int fits = VirtualStream::kSlots - 1;  // the gate holds one
  while (submitted < fits) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(submitted, fits);
  EXPECT_EQ(ran, 0);
  gate.open();
  submitter.join();
  stream->synchronize();
  EXPECT_EQ(ran, 1000);
}

TEST(VirtualStream, TheDestructorWaitsForWhatWasSubmitted) {
  const auto device = open_cpu();
  std::atomic<int> ran{0};
  {
    const auto stream = device->open_stream("compute");
    for (int i = 0; i < 10; ++i)
      run(*stream, [&ran] {
        spin_for(1e-3);
        ++ran;
      });
  }
  EXPECT_EQ(ran, 10);
}

TEST(VirtualStream, ABodyThatThrowsBreaksItsStreamAndEventsStillPass) {
  const auto device = open_cpu();
  const auto stream = device->open_stream("compute");
  const auto event = device->make_event();
  char from = 1, to = 0;
  bool ran = false;
  run(*stream, [] { throw UsageError({.where = "layer 3", .what = "token id out of range"}); });
  run(*stream, [&ran] { ran = true; });
  stream->copy(&to, device.get(), &from, device.get(), 1);
  stream->record(*event);
  event->synchronize();
  EXPECT_THROW(stream->check(), UsageError);  // known once the event has passed
  EXPECT_FALSE(ran);
  EXPECT_EQ(to, 0);
  EXPECT_THROW(stream->synchronize(), UsageError);  // the Error's own kind
  EXPECT_EQ(error_of([&] { stream->synchronize(); }), "layer 3: token id out of range");
}

TEST(VirtualStream, OtherExceptionsBecomeErrorsThatNameTheStream) {
  const auto device = open_cpu({.name = "cpu:2"});
  const auto line_of = [&](auto body) {
    const auto stream = device->open_stream("vision");
    run(*stream, body);
    return error_of([&] { stream->synchronize(); });
  };
  EXPECT_EQ(line_of([] { throw std::bad_alloc(); }), "cpu:2: stream vision: out of host memory");
  EXPECT_EQ(line_of([] { throw std::out_of_range("index 7"); }), "cpu:2: stream vision: index 7");
  EXPECT_EQ(line_of([] { throw 7; }), "cpu:2: stream vision: an exception of unknown type");
}

}  // namespace
}  // namespace tessera
