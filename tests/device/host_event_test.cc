#include "device/host_event.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/device/stream_bodies.h"

namespace tessera {
namespace {

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
  b->synchronize();  // its record touches the event
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
