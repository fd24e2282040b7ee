// What slows a virtual device down on purpose: its links and its speed.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#include "device/link.h"
#include "tests/device/stream_bodies.h"

namespace tessera {
namespace {

// Seconds between two marks around what `submit` puts on the stream.
template <typename Submit>
double time_of(Stream& stream, const Submit& submit) {
  const auto begin = stream.device().make_event(), end = stream.device().make_event();
  stream.record(*begin);
  submit();
  stream.record(*end);
  stream.synchronize();
  return end->time_s() - begin->time_s();
}

// The least of up to fifty runs, done when one is `good`: other programs delay a run, nothing
// shortens one.
template <typename Run>
double least(double good, const Run& run_once) {
  double best = run_once();
  for (int round = 1; round < 50 && best > good; ++round) best = std::min(best, run_once());
  return best;
}

TEST(Link, TakesTheSlowerBandwidthAndTheLongerLatency) {
  const auto slow = open_cpu({.name = "cpu:0", .link_bytes_per_s = 1e6, .link_latency_s = 0.1});
  const auto fast = open_cpu({.name = "cpu:1", .link_bytes_per_s = 4e6, .link_latency_s = 0.3});
  const auto unset = open_cpu({.name = "cpu:2"});
  EXPECT_EQ(link_between(slow.get(), fast.get()).time_s(2'000'000), 2.0 + 0.3);
  EXPECT_EQ(link_between(unset.get(), fast.get()).time_s(2'000'000), 0.5 + 0.3);
  EXPECT_EQ(link_between(nullptr, slow.get()).time_s(2'000'000), 2.0 + 0.1);
  EXPECT_EQ(link_between(slow.get(), slow.get()).time_s(2'000'000), 0);
  EXPECT_EQ(link_between(unset.get(), nullptr).time_s(2'000'000), 0);
}

TEST(VirtualTiming, ACopyTakesWhatItsLinkTakes) {
  const auto a = open_cpu({.name = "cpu:0", .link_bytes_per_s = 10e6});
  const auto b = open_cpu({.name = "cpu:1", .link_latency_s = 5e-3});
  const auto stream = a->open_stream("copy");
  std::vector<char> from(800'000, 7), to(800'000);
  const auto copy = [&](Device* target, uint64_t bytes, double good_s) {
    return least(good_s, [&] {
      return time_of(*stream,
                     [&] { stream->copy(to.data(), target, from.data(), a.get(), bytes); });
    });
  };
  EXPECT_NEAR(copy(nullptr, 800'000, 0.082), 0.080, 0.008);
  EXPECT_EQ(from, to);
  EXPECT_NEAR(copy(b.get(), 800'000, 0.087), 0.085, 0.0085);
  EXPECT_NEAR(copy(b.get(), 0, 0.0052), 0.005, 0.0005);
  EXPECT_LT(copy(a.get(), 800'000, 0.020), 0.040);  // within a device there is no link
}

TEST(VirtualTiming, CopiesLargerThanAPieceArriveWhole) {
  const auto device = open_cpu({.name = "cpu:0", .threads = 3});
  const auto stream = device->open_stream("copy");
  std::vector<uint32_t> from((33 * kMiB + 12344) / 4), to(from.size());  // with a ragged end
  std::iota(from.begin(), from.end(), 0);
  const size_t bytes = from.size() * 4;
  stream->copy(to.data(), device.get(), from.data(), nullptr, bytes);
  stream->synchronize();
  EXPECT_EQ(std::memcmp(from.data(), to.data(), bytes), 0);
}

TEST(VirtualTiming, HalfTheSpeedIsTwiceTheTime) {
  const auto device = open_cpu({.name = "cpu:0", .speed = 0.5});
  const auto stream = device->open_stream("compute");
  // Against the time that the bodies saw: other programs stretch it too.
  const auto stretch_of = [&](int bodies, double seconds) {
    return least(2.05, [&] {
      double busy_s = 0;
      const double elapsed_s = time_of(*stream, [&] {
        for (int i = 0; i < bodies; ++i)
          run(*stream, [&busy_s, seconds] {
            const double begin_s = now_s();
            spin_for(seconds);
            busy_s += now_s() - begin_s;
          });
      });
      return elapsed_s / busy_s;
    });
  };
  EXPECT_NEAR(stretch_of(1, 20e-3), 2, 0.1);
  EXPECT_NEAR(stretch_of(3000, 20e-6), 2, 0.1);  // each far shorter than what is worth a sleep
}

TEST(VirtualTiming, ASlowDevicesEventsAndCopiesComeLate) {
  const auto device = open_cpu({.name = "cpu:0", .speed = 0.5});
  const auto stream = device->open_stream("compute");
  // 100 us owes less than what is slept off at once; the mark and the copy must still wait for it.
  EXPECT_GE(time_of(*stream, [&] { run(*stream, [] { spin_for(100e-6); }); }), 200e-6);
  double copied_s = 0, begun_s = 0;
  char from = 1, to = 0;
  run(*stream, [&] {
    begun_s = now_s();
    spin_for(100e-6);
  });
  stream->copy(&to, device.get(), &from, device.get(), 1);
  run(*stream, [&] { copied_s = now_s(); });
  stream->synchronize();
  EXPECT_GE(copied_s - begun_s, 200e-6);
}

}  // namespace
}  // namespace tessera
