#include "device/virtual_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <stdexcept>

#include "base/clock.h"
#include "base/units.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::HasSubstr;

std::unique_ptr<Device> open_cpu(DeviceInfo info = {.name = "cpu:0"}) {
  info.budget_bytes = kGiB;
  return open_virtual_device(std::move(info));
}

template <typename Body>
void run(Stream& stream, const Body& body) {
  stream.run({}, Work([body](WorkerPool&) { body(); }));
}

void spin_for(double seconds) {
  const double until_s = now_s() + seconds;
  while (now_s() < until_s) {
  }
}

/// Holds a stream until it is opened: a body that waits for the test.
class Gate {
 public:
  void close_on(Stream& stream) {
    run(stream, [this] {
      reached_ = true;
      reached_.notify_all();
      open_.wait(false);
    });
  }
  void wait_until_reached() { reached_.wait(false); }
  void open() {
    open_ = true;
    open_.notify_all();
  }

 private:
  std::atomic<bool> reached_{false}, open_{false};
};

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

TEST(HostEvent, NeverRecordedCountsAsDone) {
  const auto device = open_cpu();
  const auto stream = device->open_stream("compute");
  const auto event = device->make_event();
  event->synchronize();
  stream->wait(*event);
  stream->synchronize();
}

TEST(HostEvent, HoldsBackAnotherDevicesStream) {
  const auto first = open_cpu(), second = open_cpu({.name = "cpu:1"});
  const auto a = first->open_stream("compute"), b = second->open_stream("compute");
  const auto event = first->make_event();
  Gate gate;
  std::atomic<int> value{0};
  int seen = -1;
  gate.close_on(*a);
  run(*a, [&value] { value = 1; });
  a->record(*event);
  b->wait(*event);
  run(*b, [&value, &seen] { seen = value; });
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(seen, -1);
  gate.open();
  b->synchronize();
  EXPECT_EQ(seen, 1);
}

TEST(HostEvent, AWaitMeansTheLastRecordBeforeIt) {
  const auto device = open_cpu();
  const auto a = device->open_stream("a"), b = device->open_stream("b");
  const auto event = device->make_event();
  Gate gate;
  a->record(*event);
  b->wait(*event);  // the first record
  gate.close_on(*a);
  a->record(*event);  // held back by the gate, and must not hold b back
  b->synchronize();

  b->wait(*event);  // the second record
  std::atomic<bool> passed{false};
  run(*b, [&passed] { passed = true; });
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_FALSE(passed);
  gate.open();
  b->synchronize();
  EXPECT_TRUE(passed);
}

TEST(HostEvent, ARecordOnAnotherStreamDoesNotLetTheFirstPassEarly) {
  const auto device = open_cpu();
  const auto a = device->open_stream("a"), b = device->open_stream("b"),
             c = device->open_stream("c");
  const auto event = device->make_event();
  Gate gate;
  std::atomic<bool> passed{false};
  gate.close_on(*a);
  a->record(*event);
  c->wait(*event);  // a's record
  run(*c, [&passed] { passed = true; });
  b->record(*event);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_FALSE(passed);
  gate.open();
  c->synchronize();
  EXPECT_TRUE(passed);
}

TEST(HostEvent, TimesWhatLiesBetweenTwoMarks) {
  const auto device = open_cpu();
  const auto stream = device->open_stream("compute");
  const auto begin = device->make_event(), end = device->make_event();
  stream->record(*begin);
  run(*stream, [] { spin_for(5e-3); });
  stream->record(*end);
  end->synchronize();
  EXPECT_GE(end->time_s() - begin->time_s(), 5e-3);
}

}  // namespace
}  // namespace tessera
