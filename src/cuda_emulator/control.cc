#include "cuda_emulator/control.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <string_view>

#include "base/units.h"
#include "cuda_emulator/api_call.h"
#include "cuda_emulator/machine.h"
#include "tessera/error.h"

namespace tessera {
namespace {

constexpr const char* kGpusVariable = "TESSERA_EMULATED_GPUS";
constexpr const char* kOrderVariable = "TESSERA_EMULATED_ORDER";

template <typename Number>
bool parse_whole(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

void read_gpus(std::string_view text, EmulatedMachine& machine) {
  const size_t times = text.find('x');
  const auto bytes = parse_bytes(text.substr(times == text.npos ? text.size() : times + 1));
  if (times == text.npos || !bytes || !parse_whole(text.substr(0, times), machine.gpus) ||
      machine.gpus < 0 || machine.gpus > 16)
    throw UsageError({.where = kGpusVariable,
                      .expected = "COUNTxMEMORY, as 3x1GiB, at most 16",
                      .found = std::string(text)});
  machine.gpu_bytes = *bytes;
}

void read_order(std::string_view text, EmulatedMachine& machine) {
  constexpr std::string_view kSeeded = "random:";
  if (text == "forward") {
    machine.order = ThreadOrder::kForward;
  } else if (text == "reverse") {
    machine.order = ThreadOrder::kReverse;
  } else if (text == "random" || (text.starts_with(kSeeded) &&
                                  parse_whole(text.substr(kSeeded.size()), machine.seed))) {
    machine.order = ThreadOrder::kRandom;
  } else {
    throw UsageError({.where = kOrderVariable,
                      .expected = "forward, reverse, random or random:SEED",
                      .found = std::string(text)});
  }
}

}  // namespace

EmulatedMachine emulated_machine_of_environment() {
  EmulatedMachine machine;
  // The program sets no variables: nobody writes what getenv reads.
  // NOLINTNEXTLINE(concurrency-mt-unsafe)
  if (const char* gpus = std::getenv(kGpusVariable)) read_gpus(gpus, machine);
  // NOLINTNEXTLINE(concurrency-mt-unsafe)
  if (const char* order = std::getenv(kOrderVariable)) read_order(order, machine);
  return machine;
}

void set_up_emulated_machine(const EmulatedMachine& wanted) {
  const TsanUnseen unseen;
  const std::lock_guard lock(machine().mutex);
  machine().reset(wanted);
  host_thread() = {};
}

void inject_failure(const InjectedFailure& failure) {
  const TsanUnseen unseen;
  const std::lock_guard lock(machine().mutex);
  machine().failures.push_back(failure);
}

void break_emulated_gpu(int gpu, cudaError_t error) {
  const TsanUnseen unseen;
  const std::lock_guard lock(machine().mutex);
  machine().gpus.at(gpu).broken = error;
}

void mend_emulated_machine() {
  const TsanUnseen unseen;
  const std::lock_guard lock(machine().mutex);
  machine().failures.clear();
  for (EmulatedGpu& gpu : machine().gpus) {
    gpu.broken = cudaSuccess;
    gpu.report.clear();
  }
  host_thread().last_error = cudaSuccess;
}

void set_emulated_link(int from, int to, double bytes_per_s) {
  const TsanUnseen unseen;
  const std::lock_guard lock(machine().mutex);
  machine().links[{from, to}] = bytes_per_s;
}

void forbid_emulated_peer(int gpu, int peer) {
  const TsanUnseen unseen;
  const std::lock_guard lock(machine().mutex);
  machine().unreachable.emplace(gpu, peer);
}

void hold_emulated_memory(int gpu, uint64_t bytes) {
  const TsanUnseen unseen;
  const std::lock_guard lock(machine().mutex);
  machine().gpus.at(gpu).foreign_bytes = bytes;
}

uint64_t emulated_calls(std::string_view call) {
  const TsanUnseen unseen;
  const std::lock_guard lock(machine().mutex);
  const auto found = machine().calls.find(call);
  return found == machine().calls.end() ? 0 : found->second;
}

std::vector<int> emulated_stream_priorities(int gpu) {
  const TsanUnseen unseen;
  const std::lock_guard lock(machine().mutex);
  std::vector<int> priorities;
  for (const auto& stream : machine().streams)
    if (stream->device == gpu && !stream->destroyed) priorities.push_back(stream->priority);
  return priorities;
}

std::string emulator_report() {
  return host_thread().report;
}

}  // namespace tessera
