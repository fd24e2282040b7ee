#include "device/cuda_runtime_device.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"
#include "device/cuda_device.h"
#include "device/cuda_runtime_stream.h"
#include "tessera/error.h"

namespace tessera {
namespace {

int attribute(const CudaCalls& calls, cudaDeviceAttr which) {
  int value = 0;
  calls.check(cudaDeviceGetAttribute(&value, which, calls.card()), "its description");
  return value;
}

}  // namespace

CudaRuntimeDevice::CudaRuntimeDevice(int card, DeviceInfo device_info,
                                     std::shared_ptr<CudaCardBytes> card_bytes)
    : Device(std::move(device_info)),
      calls_(card, info().name),
      card_bytes_(std::move(card_bytes)) {
  calls_.enter();
  processors_ = attribute(calls_, cudaDevAttrMultiProcessorCount);
  capability_ = 10 * attribute(calls_, cudaDevAttrComputeCapabilityMajor) +
                attribute(calls_, cudaDevAttrComputeCapabilityMinor);
  clock_.emplace(calls_);
  transfer_stream_.emplace(calls_);
  for (int i = 0; i < kCudaWorkspaces; ++i) workspaces_.push_back(make_workspace());
  if (info().cublaslt) gemms_.emplace(calls_, cuda_workspace_bytes(info().budget_bytes));
}

std::unique_ptr<Stream> CudaRuntimeDevice::open_stream(std::string_view name) {
  calls_.enter();
  return std::make_unique<CudaRuntimeStream>(*this, std::string(name), false);
}

std::unique_ptr<Stream> CudaRuntimeDevice::open_background_stream(std::string_view name) {
  calls_.enter();
  return std::make_unique<CudaRuntimeStream>(*this, std::string(name), true);
}

std::unique_ptr<Event> CudaRuntimeDevice::make_event() {
  calls_.enter();
  return std::make_unique<CudaEvent>(calls_, *clock_);
}

void CudaRuntimeDevice::check_alive() {
  calls_.check_answers();
}

void CudaRuntimeDevice::write(void* to, std::span<const std::byte> from) {
  transfer(to, from.data(), from.size(), cudaMemcpyHostToDevice);
}

void CudaRuntimeDevice::read(std::span<std::byte> to, const void* from) {
  transfer(to.data(), from, to.size(), cudaMemcpyDeviceToHost);
}

void CudaRuntimeDevice::transfer(void* to, const void* from, uint64_t bytes, cudaMemcpyKind kind) {
  if (bytes == 0) return;
  const std::lock_guard lock(transfer_mutex_);
  const std::string what = fmt::format("a copy of {}", format_bytes(bytes));
  calls_.enter();
  calls_.check(cudaMemcpyAsync(to, from, bytes, kind, transfer_stream_->get()), what);
  calls_.check(cudaStreamSynchronize(transfer_stream_->get()), what);
}

bool CudaRuntimeDevice::sees(const CudaRuntimeDevice& other) {
  const int card = other.calls().card();
  const std::lock_guard lock(peers_mutex_);
  const auto known = peers_.find(card);
  if (known != peers_.end()) return known->second;
  int can = 0;
  calls_.check(cudaDeviceCanAccessPeer(&can, calls_.card(), card), "access to another card");
  if (can != 0) {
    const cudaError_t code = cudaDeviceEnablePeerAccess(card, 0);
    if (code == cudaErrorPeerAccessAlreadyEnabled) {
      (void)cudaGetLastError();
    } else {
      calls_.check(code, "access to another card");
    }
  }
  return peers_[card] = can != 0;
}

void* CudaRuntimeDevice::take(uint64_t bytes, MemoryKind, std::string_view what) {
  calls_.enter();
  void* data = nullptr;
  const cudaError_t code = cudaMalloc(&data, bytes);
  if (code == cudaErrorMemoryAllocation) refuse(bytes, what);
  calls_.check(code, what);
  *card_bytes_ += bytes;
  return data;
}

void CudaRuntimeDevice::refuse(uint64_t bytes, std::string_view what) const {
  (void)cudaGetLastError();
  size_t free = 0, total = 0;
  calls_.check(cudaMemGetInfo(&free, &total), "its free memory");
  const uint64_t own = ledger().used_bytes() - bytes;  // what was asked for is booked already
  const uint64_t all_own = std::max<uint64_t>(*card_bytes_, own);
  const uint64_t others = total - std::min<uint64_t>(total, free + all_own);
  const std::string planned = ledger().describe_planned();
  const std::string shares = all_own == own ? ""
                                            : fmt::format(" {} other devices' of this process,",
                                                          format_bytes(all_own - own));
  throw Error(
      {.where = info().name,
       .what = std::string(what),
       .expected = fmt::format("{} of the card's memory, which is within the device's {}{}",
                               format_bytes(bytes), format_bytes(info().budget_bytes),
                               planned.empty() ? "" : ": " + planned),
       .found = fmt::format("{} free of {}: {} are this device's,{} {} others'", format_bytes(free),
                            format_bytes(total), format_bytes(own), shares, format_bytes(others)),
       .hint = "nvidia-smi shows what else is on the card; a smaller @SIZE leaves it room"});
}

void CudaRuntimeDevice::give_back(void* data, uint64_t bytes) noexcept {
  *card_bytes_ -= bytes;
  if (calls_.lost()) return;  // the memory went with the card
  calls_.note(cudaSetDevice(calls_.card()), "its card");
  calls_.note(cudaFree(data), "freeing memory");
}

void* CudaRuntimeDevice::take_host(uint64_t bytes) {
  calls_.enter();
  return allocate_pinned(calls_, bytes);
}

void CudaRuntimeDevice::give_back_host(void* data) noexcept {
  free_pinned(calls_, data);
}

DeviceBuffer CudaRuntimeDevice::make_workspace() {
  return allocate(cuda_workspace_bytes(info().budget_bytes), MemoryKind::kFixed, "workspaces");
}

DeviceBuffer CudaRuntimeDevice::take_workspace() {
  const std::lock_guard lock(workspace_mutex_);
  if (workspaces_.empty()) return make_workspace();
  DeviceBuffer workspace = std::move(workspaces_.back());
  workspaces_.pop_back();
  return workspace;
}

void CudaRuntimeDevice::give_back_workspace(DeviceBuffer workspace) noexcept {
  const std::lock_guard lock(workspace_mutex_);
  if (workspaces_.size() < static_cast<size_t>(kCudaWorkspaces))
    workspaces_.push_back(std::move(workspace));
}

std::unique_ptr<Device> open_cuda_device(int card, DeviceInfo info,
                                         std::shared_ptr<CudaCardBytes> card_bytes) {
  info.kind = DeviceKind::kCuda;
  info.granule_bytes = kCudaGranuleBytes;
  if (card_bytes == nullptr) card_bytes = std::make_shared<CudaCardBytes>(0);
  return std::make_unique<CudaRuntimeDevice>(card, std::move(info), std::move(card_bytes));
}

}  // namespace tessera
