#include "cuda/check.h"

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include "tessera/error.h"

#ifdef TESSERA_CUDA_EMULATED
#include <algorithm>

#include "cuda_emulator/control.h"
#endif

namespace tessera {
namespace {

std::string hint_for(cudaError_t error) {
#ifdef TESSERA_CUDA_EMULATED
  if (std::string report = emulator_report(); !report.empty()) {
    std::replace(report.begin(), report.end(), '\n', ' ');
    return report;
  }
#endif
  switch (error) {
    case cudaErrorMemoryAllocation:
      return "something else may hold memory of this GPU: see nvidia-smi";
    case cudaErrorInsufficientDriver:
      return "the NVIDIA driver is older than this build of Tessera asks for; update it";
    case cudaErrorNoKernelImageForDevice:
      return "this build has no kernels for this GPU";
    case cudaErrorNoDevice:
      return "is CUDA_VISIBLE_DEVICES set?";
    case cudaErrorECCUncorrectable:
      return "the GPU's memory is failing; see nvidia-smi -q -d ECC";
    case cudaErrorSystemNotReady:
    case cudaErrorSystemDriverMismatch:
      return "is the driver installed as a whole, and the Fabric Manager running where there is "
             "one?";
    default:
      return is_sticky(error) ? "the GPU cannot be used any more by this process; see dmesg for Xid"
                              : "";
  }
}

}  // namespace

bool is_sticky(cudaError_t error) {
  switch (error) {
    case cudaErrorECCUncorrectable:
    case cudaErrorIllegalAddress:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorHardwareStackError:
    case cudaErrorLaunchFailure:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorContained:
    case cudaErrorDevicesUnavailable:
    case cudaErrorUnknown:
      return true;
    default:
      return false;
  }
}

std::string describe_cuda_error(cudaError_t error) {
  return fmt::format("{} ({})", cudaGetErrorString(error), cudaGetErrorName(error));
}

void cuda_check(cudaError_t error, std::string_view where, std::string_view what) {
  if (error == cudaSuccess) return;
  throw Error({.where = std::string(where),
               .what = std::string(what),
               .found = describe_cuda_error(error),
               .hint = hint_for(error)});
}

}  // namespace tessera
