#include "device/nvml.h"

#include <dlfcn.h>

#include "tessera/error.h"

namespace tessera {
namespace {

// nvmlReturn_t.
constexpr int kNvmlSuccess = 0;
constexpr int kNvmlInvalidArgument = 2;  // a link that this card has not
constexpr int kNvmlNotSupported = 3;
constexpr int kNvmlNoPermission = 4;
constexpr int kNvmlNotFound = 6;  // no process has run of late
constexpr int kNvmlDriverNotLoaded = 9;
constexpr int kNvmlFunctionNotFound = 13;

}  // namespace

void Nvml::CloseLibrary::operator()(void* library) const noexcept {
  dlclose(library);
}

Nvml::Nvml(std::string name) : name_(std::move(name)) {
  library_.reset(dlopen(name_.c_str(), RTLD_NOW | RTLD_LOCAL));
  if (!library_) return;
  auto* shutdown = function<int()>("nvmlShutdown");
  const int status = function<int()>("nvmlInit_v2")();
  if (status == kNvmlDriverNotLoaded) return;
  check(status, "nvmlInit_v2");
  shutdown_ = shutdown;
}

Nvml::~Nvml() {
  if (shutdown_ != nullptr) shutdown_();
}

void* Nvml::find(const char* symbol) const {
  return dlsym(library_.get(), symbol);
}

void* Nvml::require(const char* symbol) const {
  void* found = find(symbol);
  if (found == nullptr)
    throw Error({.where = name_,
                 .what = symbol,
                 .expected = "a function of NVML",
                 .found = "none",
                 .hint = "is the NVIDIA driver very old?"});
  return found;
}

void Nvml::check(int status, const char* symbol) const {
  if (status == kNvmlSuccess) return;
  const auto* reason = function<const char*(int)>("nvmlErrorString")(status);
  throw Error({.where = name_,
               .what = symbol,
               .found = reason != nullptr ? reason : "error " + std::to_string(status),
               .hint = "nvidia-smi should say the same; until it works, use cpu devices"});
}

bool Nvml::is_untold(int status) {
  return status == kNvmlInvalidArgument || status == kNvmlNotSupported ||
         status == kNvmlNoPermission || status == kNvmlNotFound || status == kNvmlFunctionNotFound;
}

}  // namespace tessera
