// What a virtual device's streams cost, in microseconds, and the machine's read bandwidth:
//   stream_bench [RUNS]
// Medians and tenths of single events; two idle cores make them mean something.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <vector>

#include "base/clock.h"
#include "base/spin_wait.h"
#include "base/units.h"
#include "device/device.h"
#include "device/host.h"
#include "device/read_bandwidth.h"

namespace tessera {
namespace {

void print(const char* what, std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  const auto at = [&](double share) {
    return 1e6 * seconds[static_cast<size_t>(share * static_cast<double>(seconds.size() - 1))];
  };
  fmt::print("{:44} {:8.2f} us   (10 % {:.2f}, 90 % {:.2f})\n", what, at(0.5), at(0.1), at(0.9));
}

// From the call of run() to the start of the body, `idle_s` after the body before.
void measure_latency(const char* what, Device& device, double idle_s, int runs) {
  const auto stream = device.open_stream("compute");
  std::atomic<double> begun_s{0};
  std::vector<double> seconds;
  for (int i = 0; i < runs; ++i) {
    begun_s = 0;
    const double submitted_s = now_s();
    stream->run({}, Work([&begun_s](WorkerPool&) { begun_s = now_s(); }));
    while (begun_s.load() == 0) spin_pause();
    seconds.push_back(begun_s - submitted_s);
    if (idle_s > 0) sleep_until_s(now_s() + idle_s);
  }
  print(what, std::move(seconds));
}

// As a step does it: some hundred ops in a row, fewer than the ring holds.
void measure_throughput(Device& device, int runs) {
  constexpr int kOps = 200;
  const auto stream = device.open_stream("compute");
  std::vector<double> submit_s, run_s;
  for (int i = 0; i < std::max(runs / 10, 1); ++i) {
    const double begin_s = now_s();
    for (int op = 0; op < kOps; ++op) stream->run({}, Work([](WorkerPool&) {}));
    submit_s.push_back((now_s() - begin_s) / kOps);
    stream->synchronize();
    run_s.push_back((now_s() - begin_s) / kOps);
  }
  print("run() of an empty body, 200 in a row", std::move(submit_s));
  print("until all have run, each", std::move(run_s));
}

// One stream records, the other, which waits already, begins its body.
void measure_handover(Device& device, int runs) {
  const auto first = device.open_stream("first"), second = device.open_stream("second");
  const auto event = device.make_event();
  std::vector<double> seconds;
  for (int i = 0; i < runs; ++i) {
    double ended_s = 0, begun_s = 0;
    first->run({}, Work([&ended_s](WorkerPool&) {
                 sleep_until_s(now_s() + 20e-6);
                 ended_s = now_s();
               }));
    first->record(*event);
    second->wait(*event);
    second->run({}, Work([&begun_s](WorkerPool&) { begun_s = now_s(); }));
    second->synchronize();
    seconds.push_back(begun_s - ended_s);
  }
  print("from stream to stream by an event", std::move(seconds));
}

void measure_synchronize(Device& device, int runs) {
  const auto stream = device.open_stream("compute");
  std::vector<double> seconds;
  for (int i = 0; i < runs; ++i) {
    const double begin_s = now_s();
    stream->synchronize();
    seconds.push_back(now_s() - begin_s);
  }
  print("synchronize() of an idle stream", std::move(seconds));
}

void measure_all(int runs) {
  const auto device = open_virtual_device({.name = "cpu:0"});
  measure_latency("submit to run, warm", *device, 0, runs);
  measure_latency("submit to run, after 1 ms of idling", *device, 1e-3, std::max(runs / 20, 1));
  measure_throughput(*device, runs);
  measure_handover(*device, runs);
  measure_synchronize(*device, runs);
  const HostInfo host = read_host_info();
  WorkerPool pool(host.usable_cores());
  fmt::print("{:44} {} by {} threads\n", "read bandwidth",
             format_bandwidth(measure_read_bandwidth(pool, uncached_bytes(host))), pool.threads());
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) {
  tessera::measure_all(argc > 1 ? std::max(std::atoi(argv[1]), 1) : 20000);
  return 0;
}
