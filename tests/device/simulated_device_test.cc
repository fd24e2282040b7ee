#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <thread>

#include "base/bounded_queue.h"
#include "device/device.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_folder.h"

namespace tessera {
namespace {

constexpr double kLink_bytes_per_s = 1e9;

const Work kNothing{[](WorkerPool&) { FAIL() << "a simulated device never calls a body"; }};

std::unique_ptr<Device> open_sim(DeviceInfo info) {
  return open_simulated_device(std::move(info));
}

TEST(SimulatedDevice, BooksWithoutMemory) {
  const auto device = open_sim({.name = "sim:0", .budget_bytes = uint64_t{80} << 30});
  const DeviceBuffer buffer = device->allocate(uint64_t{70} << 30, MemoryKind::kWeights, "all");
  EXPECT_EQ(buffer.data(), nullptr);
  EXPECT_EQ(device->ledger().used_bytes(), uint64_t{70} << 30);
  EXPECT_THROW(device->allocate(uint64_t{11} << 30, MemoryKind::kKv, "more"), Error);
}

TEST(SimulatedDevice, ChargesTheSlowerOfMathsAndMemory) {
  const auto device = open_sim({.name = "sim:0",
                                .link_bytes_per_s = 50,
                                .link_latency_s = 0.5,
                                .read_bytes_per_s = 100,
                                .flops_per_s = 1000,
                                .op_overhead_s = 0.25});
  const auto other = open_sim({.name = "sim:1", .link_bytes_per_s = 20, .link_latency_s = 0.125});
  const auto stream = device->open_stream("compute");
  const auto event = device->make_event();
  const auto clock_s = [&] {
    stream->record(*event);
    event->synchronize();
    return event->time_s();
  };
  EXPECT_EQ(clock_s(), 0);
  stream->run({.flops = 2000, .bytes = 100}, kNothing);
  EXPECT_EQ(clock_s(), 2.25);
  stream->run({.flops = 2000, .bytes = 300}, kNothing);
  EXPECT_EQ(clock_s(), 5.5);
  stream->copy(nullptr, other.get(), nullptr, device.get(), 100);
  EXPECT_EQ(clock_s(), 11);
  stream->copy(nullptr, device.get(), nullptr, device.get(), 100);  // read and written
  EXPECT_EQ(clock_s(), 13);
  stream->synchronize();
  stream->check();
}

TEST(SimulatedDevice, AWaitTakesTheLaterTime) {
  const auto device = open_sim({.name = "sim:0", .flops_per_s = 1});
  const auto a = device->open_stream("a"), b = device->open_stream("b");
  const auto event = device->make_event(), end = device->make_event();
  b->wait(*event);  // never recorded: done
  a->run({.flops = 3}, kNothing);
  a->record(*event);
  b->run({.flops = 1}, kNothing);
  b->wait(*event);
  b->record(*end);
  EXPECT_EQ(end->time_s(), 3);
  b->run({.flops = 4}, kNothing);
  b->wait(*event);  // long past
  b->record(*end);
  EXPECT_EQ(end->time_s(), 7);
}

TEST(SimulatedDevice, KindsDoNotMix) {
  const auto sim = open_sim({.name = "sim:0"});
  const auto cpu = open_virtual_device({.name = "cpu:0"});
  const auto sim_event = sim->make_event(), cpu_event = cpu->make_event();
  const auto stream = sim->open_stream("s");
  EXPECT_EQ(error_of([&] { stream->wait(*cpu_event); }),
            "sim:0: event: expected one made by a simulated device, found one made by another kind "
            "of device");
  EXPECT_EQ(
      error_of([&] { cpu->open_stream("s")->record(*sim_event); }),
      "cpu:0: event: expected one made by a virtual device, found one made by another kind of "
      "device");
}

/// K stages, each with a compute and a copy stream on a simulated device of its own, as the
/// pipeline has them; stage K - 1's copy is the tail that leads back to the start.
class Stages {
 public:
  struct Times {
    std::vector<double> compute_s, copy_s;
  };

  explicit Stages(const Times& times) : times_(times) {
    for (size_t s = 0; s < size(); ++s) {
      devices_.push_back(open_sim({.name = "sim:" + std::to_string(s),
                                   .link_bytes_per_s = kLink_bytes_per_s,
                                   .flops_per_s = 1}));
      compute_.push_back(devices_[s]->open_stream("compute"));
      copy_.push_back(devices_[s]->open_stream("copy"));
    }
  }

  size_t size() const { return times_.compute_s.size(); }
  Device& device() { return *devices_.front(); }

  /// Stage `s` on one micro-batch: `event` says when its input is there, then when its output has
  /// been copied on.
  void forward(size_t s, Event& event) {
    compute_[s]->wait(event);
    compute_[s]->run({.flops = times_.compute_s[s]}, kNothing);
    compute_[s]->record(event);
    copy_[s]->wait(event);
    copy_[s]->copy(nullptr, nullptr, nullptr, devices_[s].get(),
                   static_cast<uint64_t>(std::llround(times_.copy_s[s] * kLink_bytes_per_s)));
    copy_[s]->record(event);
  }

 private:
  const Times times_;
  std::vector<std::unique_ptr<Device>> devices_;
  std::vector<std::unique_ptr<Stream>> compute_, copy_;
};

// Whole nanoseconds up to 30 ms, so that copies are whole bytes.
Stages::Times draw_times(std::mt19937& random, size_t stages) {
  const auto draw = [&](int64_t max) {
    return static_cast<double>(std::uniform_int_distribution<int64_t>(0, max)(random)) * 1e-9;
  };
  Stages::Times times;
  // Copies as slow as stages in one half of the instances, as they mostly are in the other.
  const int64_t max_copy = random() % 2 == 0 ? 30'000'000 : 1'000'000;
  for (size_t s = 0; s < stages; ++s) {
    times.compute_s.push_back(draw(30'000'000));
    times.copy_s.push_back(draw(max_copy));
  }
  return times;
}

double sum(const Stages::Times& t) {
  return std::accumulate(t.compute_s.begin(), t.compute_s.end(), 0.0) +
         std::accumulate(t.copy_s.begin(), t.copy_s.end(), 0.0);
}

// The slowest station; a copy stream is one too, when its link is slower than every stage.
double slowest(const Stages::Times& t) {
  return std::max(*std::max_element(t.compute_s.begin(), t.compute_s.end()),
                  *std::max_element(t.copy_s.begin(), t.copy_s.end()));
}

// M chunks through K stages take sum T_s + sum c_s + (M - 1) max T_s: a flow shop whose jobs are
// all alike, with the copies as stations of their own.
TEST(SimulatedDevice, ChunkedPrefillTakesTheFlowShopsTime) {
  std::mt19937 random(1);
  for (int instance = 0; instance < 2000; ++instance) {
    const Stages::Times times = draw_times(random, 1 + random() % 8);
    const int chunks = 1 + static_cast<int>(random() % 40);
    Stages stages(times);
    double last_s = 0;
    for (int chunk = 0; chunk < chunks; ++chunk) {
      const auto event = stages.device().make_event();
      for (size_t s = 0; s < stages.size(); ++s) stages.forward(s, *event);
      last_s = event->time_s();
    }
    const double expected_s = sum(times) + (chunks - 1) * slowest(times);
    ASSERT_NEAR(last_s, expected_s, 1e-9 * expected_s) << instance;
  }
}

// Closed-loop decode: m micro-batches in flight, each back at the first stage S = sum T + sum c +
// tail after it left. Micro-batch n (from 0) has ended its turn at
//   x(n) = max(S + n T, (q + 1) S + r T), q = n / m, r = n % m, T the slowest station:
// the longest chain behind it either goes round once, or as often as it can. From it follows the
// rate min(m / S, 1 / T).
TEST(SimulatedDevice, ClosedLoopDecodeRunsAtItsRate) {
  std::mt19937 random(2);
  for (int instance = 0; instance < 2000; ++instance) {
    const Stages::Times times = draw_times(random, 1 + random() % 8);
    const size_t in_flight = 1 + random() % 12;
    const size_t turns = 8 * in_flight + random() % 8;
    Stages stages(times);
    std::vector<std::unique_ptr<Event>> events;
    for (size_t m = 0; m < in_flight; ++m) events.push_back(stages.device().make_event());
    const double round_s = sum(times), station_s = slowest(times);
    double end_s = 0;
    for (size_t n = 0; n < turns; ++n) {
      Event& event = *events[n % in_flight];  // still says when this one came back
      for (size_t s = 0; s < stages.size(); ++s) stages.forward(s, event);
      end_s = event.time_s();
      const size_t rounds = n / in_flight + 1, rest = n % in_flight;
      const double expected_s =
          std::max(round_s + static_cast<double>(n) * station_s,
                   static_cast<double>(rounds) * round_s + static_cast<double>(rest) * station_s);
      ASSERT_NEAR(end_s, expected_s, 1e-9 * expected_s) << instance << " turn " << n;
    }
    const double rate = std::min(static_cast<double>(in_flight) / round_s, 1 / station_s);
    const double ideal_s = static_cast<double>(turns) / rate;
    EXPECT_GE(end_s, ideal_s * (1 - 1e-9) - station_s);
    EXPECT_LE(end_s, ideal_s + round_s);  // filling the pipeline, once
  }
}

// The same with a host thread for each stage, which hand the events on through queues: the clock
// must not depend on when a thread runs.
TEST(SimulatedDevice, ThreadsDoNotChangeItsClock) {
  std::mt19937 random(3);
  const Stages::Times times = draw_times(random, 4);
  constexpr int kChunks = 300;
  Stages stages(times);
  std::vector<std::unique_ptr<Event>> events;
  events.reserve(kChunks);
  for (int chunk = 0; chunk < kChunks; ++chunk) events.push_back(stages.device().make_event());
  std::vector<std::unique_ptr<BoundedQueue<Event*>>> queues;
  for (size_t s = 0; s < stages.size(); ++s)
    queues.push_back(std::make_unique<BoundedQueue<Event*>>(4));
  std::vector<std::thread> threads;
  for (size_t s = 0; s < stages.size(); ++s)
    threads.emplace_back([&, s] {
      while (const auto event = queues[s]->pop()) {
        stages.forward(s, **event);
        if (s + 1 < stages.size()) queues[s + 1]->push(*event);
      }
      if (s + 1 < stages.size()) queues[s + 1]->close();
    });
  for (const auto& event : events) queues[0]->push(event.get());
  queues[0]->close();
  for (std::thread& thread : threads) thread.join();
  const double expected_s = sum(times) + (kChunks - 1) * slowest(times);
  EXPECT_NEAR(events.back()->time_s(), expected_s, 1e-9 * expected_s);
}

TEST(SimulatedDevice, BooksWhatItAdoptsAndHoldsNothing) {
  const TempFolder folder;
  const auto device = open_simulated_device({.name = "sim:0", .budget_bytes = 100});
  const DeviceBuffer buffer = device->adopt(MappedFile::open(folder.write("w", "weights")), 0, 7,
                                            MemoryKind::kWeights, "a");
  EXPECT_EQ(buffer.data(), nullptr);
  EXPECT_EQ(device->ledger().used_bytes(MemoryKind::kWeights), 64U);
}

}  // namespace
}  // namespace tessera
