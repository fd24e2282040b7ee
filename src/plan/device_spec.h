#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/isa.h"

namespace tessera {

/// One entry of a device list, `[N x]KIND[:INDEX][@MEMORY][{KEY=VALUE;...}]`, with N taken apart:
/// "3xcpu@40MiB" is three entries.
struct DeviceSpec {
  enum class Kind : uint8_t {
    kAuto,      ///< "auto": whatever is there
    kCpu,       ///< "cpu": a virtual device in host memory
    kCuda,      ///< "cuda": a GPU, or a share of its memory
    kImagined,  ///< "24GiB", "rtx3090": hardware that is not there, to plan for
  };
  Kind kind = Kind::kAuto;
  std::string text;      ///< as written, for messages
  std::string hardware;  ///< kImagined: a size or a catalogue's name
  int index = -1;        ///< "cuda:1"; -1: the next one
  std::optional<uint64_t> memory_bytes;

  // kCuda only.
  bool graphs = false;    ///< decode steps run as CUDA graphs
  bool cublaslt = false;  ///< gemm=cublaslt: bf16 matmuls of many rows by NVIDIA's library

  // kCpu only.
  int threads = 0;  ///< 0: all of the machine's
  double speed = 1;
  double link_bytes_per_s = 0;  ///< 0: as fast as memory
  Isa isa = best_isa();         ///< what its kernels may use
};

inline constexpr int kMaxDevices = 64;

/// Throws UsageError that names the entry and what is wrong with it.
std::vector<DeviceSpec> parse_devices(std::string_view text);

}  // namespace tessera
