#include "device/cuda_runtime_stream.h"

#include <fmt/format.h>

#include <bit>
#include <cassert>
#include <cmath>
#include <cstring>
#include <new>
#include <typeinfo>

#include "base/units.h"
#include "device/device_error.h"

namespace tessera {
namespace {

CudaRuntimeDevice* as_cuda(Device* device) {
  return device != nullptr && device->info().kind == DeviceKind::kCuda
             ? static_cast<CudaRuntimeDevice*>(device)
             : nullptr;
}

// Of the numbers that kernels check; what the same finding is called on CPUs.
const char* name_of(FaultKind kind) {
  switch (kind) {
    case FaultKind::kTokenId:
      return "token id";
    case FaultKind::kPosition:
      return "position";
    case FaultKind::kSequence:
      return "sequence";
    case FaultKind::kPage:
      return "page id";
    case FaultKind::kLogits:
    case FaultKind::kNone:
      break;
  }
  return "?";
}

// As ops/sampling.cc has it on CPUs.
Error logits_error(int64_t token, int64_t bits) {
  const auto logit = std::bit_cast<float>(static_cast<uint32_t>(bits));
  return Error({.where = "logits",
                .expected = "numbers",
                .found = std::isnan(logit) ? fmt::format("NaN for token {}", token)
                                           : fmt::format("{} as the largest", logit),
                .hint = "the weights are damaged, or a number overflowed"});
}

}  // namespace

CudaRuntimeStream::CudaRuntimeStream(CudaRuntimeDevice& device, std::string name, bool background)
    : device_(device),
      calls_(device.calls()),
      name_(std::move(name)),
      stream_(calls_, background),
      fault_(calls_, sizeof(KernelFault)),
      replays_(calls_) {
  new (fault_.data()) KernelFault{};
  queue_ = {.stream = stream_.get(),
            .fault = static_cast<KernelFault*>(fault_.device_address()),
            .processors = device.processors(),
            .capability = device.capability(),
            .gemms = device.gemms()};
}

CudaRuntimeStream::~CudaRuntimeStream() {
  if (calls_.lost()) return;
  calls_.note(cudaSetDevice(calls_.card()), "its card");
  calls_.note(cudaStreamSynchronize(stream_.get()), "closing a stream");
}

template <typename Body>
void CudaRuntimeStream::attempt(const Body& body) noexcept {
  try {
    calls_.enter();
    body();
  } catch (...) {
    fail(std::current_exception());
  }
}

// Of a submission.
void CudaRuntimeStream::fail(std::exception_ptr error) noexcept {
  if (capturing_)
    capture_failed_ = true;  // nothing of it has been queued
  else
    break_by(std::move(error));
}

void CudaRuntimeStream::break_by(std::exception_ptr error) noexcept {
  const std::lock_guard lock(mutex_);
  if (!error_) error_ = std::move(error);
  broken_.store(true, std::memory_order_release);
}

// The kernel writes the kind last, and the host sees what it wrote before.
std::optional<Error> CudaRuntimeStream::fault() const {
  auto* found = reinterpret_cast<KernelFault*>(fault_.data());
  const FaultKind kind = std::atomic_ref(found->kind).load(std::memory_order_acquire);
  if (kind == FaultKind::kNone) return std::nullopt;
  if (kind == FaultKind::kLogits) return logits_error(found->found, found->limit);
  return Error({.where = device_.info().name,
                .what = fmt::format("{} in stream {}", name_of(kind), name_),
                .expected = fmt::format("0 to {}", found->limit - 1),
                .found = fmt::format("{}", found->found)});
}

bool CudaRuntimeStream::skipping() const {
  return broken_.load(std::memory_order_relaxed) ||
         (skip_when_ != nullptr && skip_when_->cancelled());
}

const CudaQueue* CudaRuntimeStream::begin_launch() {
  if (skipping()) return nullptr;
  bool ready = false;
  attempt([&] {
    if (!workspace_) {
      workspace_.emplace(device_);
      queue_.workspace = workspace_->buffer().data();
      queue_.workspace_bytes = workspace_->buffer().bytes();
    }
    ready = true;
  });
  return ready ? &queue_ : nullptr;
}

void CudaRuntimeStream::copy(void* to, Device* to_device, const void* from, Device* from_device,
                             uint64_t bytes) {
  assert(to_device == &device_ || from_device == &device_);
  if (bytes == 0 || skipping()) return;
  CudaRuntimeDevice* const to_cuda = as_cuda(to_device);
  CudaRuntimeDevice* const from_cuda = as_cuda(from_device);
  attempt([&] {
    if (to_cuda != nullptr && from_cuda != nullptr &&
        to_cuda->calls().card() != from_cuda->calls().card()) {
      copy_between_cards(to, *to_cuda, from, *from_cuda, bytes);
      return;
    }
    const cudaMemcpyKind kind = to_cuda == nullptr     ? cudaMemcpyDeviceToHost
                                : from_cuda == nullptr ? cudaMemcpyHostToDevice
                                                       : cudaMemcpyDeviceToDevice;
    calls_.check(cudaMemcpyAsync(to, from, bytes, kind, stream_.get()), "a copy");
  });
}

void CudaRuntimeStream::copy_between_cards(void* to, CudaRuntimeDevice& to_device, const void* from,
                                           CudaRuntimeDevice& from_device, uint64_t bytes) {
  if (device_.sees(&to_device == &device_ ? from_device : to_device)) {
    calls_.check(cudaMemcpyPeerAsync(to, to_device.calls().card(), from, from_device.calls().card(),
                                     bytes, stream_.get()),
                 "a copy between two cards");
    return;
  }
  const bool out = &from_device == &device_;
  const CudaRuntimeDevice& other = out ? to_device : from_device;
  const auto [staged, made] =
      staged_.try_emplace({&other, out}, device_.calls(), other.calls(), out);
  staged->second.copy(stream_.get(), to, from, bytes);
}

void CudaRuntimeStream::replay(const ReplayKey& key, const std::function<void()>& submit) {
  if (!device_.info().graphs) return submit();
  if (skipping()) return;
  const CudaReplays::Next next = replays_.next(key);
  if (next == CudaReplays::Next::kSubmit) return submit();
  if (next == CudaReplays::Next::kLaunch) {
    attempt([&] { calls_.check(cudaGraphLaunch(replays_.graph(key), stream_.get()), "a graph"); });
    return;
  }
  cudaGraph_t graph = captured(submit);
  if (skipping()) {  // from somewhere in the middle on, nothing was captured
    if (graph != nullptr) calls_.note(cudaGraphDestroy(graph), "freeing a graph");
    return;
  }
  cudaGraphExec_t executable = replays_.keep(key, graph);
  if (executable == nullptr) return submit();
  attempt([&] { calls_.check(cudaGraphLaunch(executable, stream_.get()), "a graph"); });
}

// What is submitted, not queued; null when it cannot be captured. A card that was lost meanwhile
// says so at the next submission.
cudaGraph_t CudaRuntimeStream::captured(const std::function<void()>& submit) {
  cudaGraph_t graph = nullptr;
  capture_failed_ = false;
  capturing_ = true;
  attempt([&] {
    calls_.check(cudaStreamBeginCapture(stream_.get(), cudaStreamCaptureModeRelaxed), "a capture");
  });
  if (!capture_failed_) {
    const auto end = [&] {
      calls_.check(cudaStreamEndCapture(stream_.get(), &graph), "a capture");
    };
    try {
      submit();
    } catch (...) {
      attempt(end);
      capturing_ = false;
      if (graph != nullptr) calls_.note(cudaGraphDestroy(graph), "freeing a graph");
      throw;
    }
    attempt(end);
  }
  capturing_ = false;
  if (!capture_failed_) return graph;
  if (graph != nullptr) calls_.note(cudaGraphDestroy(graph), "freeing a graph");
  return nullptr;
}

void CudaRuntimeStream::run(const Cost&, const Work& work) {
  assert(!capturing_);
  if (skipping()) return;
  attempt([&] {
    HostCall& call = next_host_call();
    call.stream = this;
    call.skip_when = skip_when_;
    call.work = work;
    call.waiting.store(true, std::memory_order_relaxed);
    calls_.check(cudaLaunchHostFunc(stream_.get(), run_host_call, &call), "work for the host");
  });
}

CudaRuntimeStream::HostCall& CudaRuntimeStream::next_host_call() {
  HostCall& call = host_calls_[next_call_++ % kHostCalls];
  if (call.waiting.load(std::memory_order_acquire))
    calls_.check(cudaStreamSynchronize(stream_.get()), "a stream");
  return call;
}

void CudaRuntimeStream::run_host_call(void* call) {
  auto& host_call = *static_cast<HostCall*>(call);
  host_call.stream->execute(host_call);
}

// On a thread of the driver, where CUDA must not be called.
void CudaRuntimeStream::execute(HostCall& call) noexcept {
  const bool cancelled = call.skip_when != nullptr && call.skip_when->cancelled();
  if (!cancelled && !broken_.load(std::memory_order_acquire)) {
    try {
      // What kernels found first is the Error, not what the host makes of their results.
      if (const std::optional<Error> found = fault()) throw *found;
      call.work(pool_);
    } catch (...) {
      break_by(current_error(device_.info().name, name_));
    }
  }
  call.waiting.store(false, std::memory_order_release);
}

void CudaRuntimeStream::record(Event& event) {
  if (typeid(event) != typeid(CudaEvent))
    throw_wrong_event(device_.info().name, "one made by a CUDA device");
  auto& own = static_cast<CudaEvent&>(event);
  assert(!capturing_);
  assert(own.calls().card() == calls_.card());
  attempt([&] { own.record_on(stream_.get()); });
}

void CudaRuntimeStream::wait(Event& event) {
  if (!event.in_real_time()) throw_wrong_event(device_.info().name, "one of real time");
  assert(!capturing_);
  attempt([&] {
    if (typeid(event) != typeid(CudaEvent)) {
      event.synchronize();
      return;
    }
    const auto& other = static_cast<const CudaEvent&>(event);
    other.calls().check_lost();
    calls_.check(cudaStreamWaitEvent(stream_.get(), other.get(), 0), "a wait for an event");
  });
}

void CudaRuntimeStream::synchronize() {
  attempt([&] { calls_.check(cudaStreamSynchronize(stream_.get()), "what it was running"); });
  check();
}

void CudaRuntimeStream::check() const {
  if (const std::optional<Error> found = fault()) throw *found;
  if (broken_.load(std::memory_order_acquire)) std::rethrow_exception(error_);
  calls_.check_lost();
}

}  // namespace tessera
