#include "cuda/cublas_lt.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <memory>
#include <string>

#include "tessera/error.h"

#ifdef TESSERA_CUDA_EMULATED
#include <algorithm>

#include "cuda_emulator/control.h"
#include "cuda_emulator/cublas_lt.h"
#endif

namespace tessera {
namespace {

constexpr const char* kWithout = "gemm=own, the default, needs no such library";

struct CloseCublasLt {
  void operator()(void* library) const noexcept { dlclose(library); }
};

template <typename Function>
void find(void* library, const char* name, const char* symbol, Function*& to) {
  to = reinterpret_cast<Function*>(dlsym(library, symbol));
  if (to == nullptr)
    throw Error({.where = name,
                 .what = symbol,
                 .expected = "a function of cuBLASLt 13",
                 .found = "none",
                 .hint = kWithout});
}

// Why a call failed, as the emulator knows it.
std::string reason() {
#ifdef TESSERA_CUDA_EMULATED
  std::string report = emulator_report();
  std::ranges::replace(report, '\n', ' ');
  return report;
#else
  return "";
#endif
}

}  // namespace

CublasLt load_cublas_lt(const char* library) {
  std::unique_ptr<void, CloseCublasLt> handle(dlopen(library, RTLD_NOW | RTLD_LOCAL));
  if (!handle) {
    const char* const why = dlerror();
    throw Error({.where = library,
                 .expected = "NVIDIA's matmul library, for gemm=cublaslt",
                 .found = why != nullptr ? why : "nothing",
                 .hint = std::string("it comes with the CUDA toolkit, or with pip's nvidia-cublas; "
                                     "LD_LIBRARY_PATH says where; ") +
                         kWithout});
  }
  CublasLt found = {};
  const auto look_up = [&](const char* symbol, auto*& to) {
    find(handle.get(), library, symbol, to);
  };
  look_up("cublasLtCreate", found.create);
  look_up("cublasLtDestroy", found.destroy);
  look_up("cublasLtGetStatusString", found.status_string);
  look_up("cublasLtMatrixLayoutCreate", found.layout_create);
  look_up("cublasLtMatrixLayoutDestroy", found.layout_destroy);
  look_up("cublasLtMatmulDescCreate", found.operation_create);
  look_up("cublasLtMatmulDescDestroy", found.operation_destroy);
  look_up("cublasLtMatmulDescSetAttribute", found.operation_set);
  look_up("cublasLtMatmulPreferenceCreate", found.preference_create);
  look_up("cublasLtMatmulPreferenceDestroy", found.preference_destroy);
  look_up("cublasLtMatmulPreferenceSetAttribute", found.preference_set);
  look_up("cublasLtMatmulAlgoGetHeuristic", found.choose);
  look_up("cublasLtMatmul", found.matmul);
  (void)handle.release();  // never unloaded: kernels of it may run until the process ends
  return found;
}

const CublasLt& cublas_lt() {
#ifdef TESSERA_CUDA_EMULATED
  return emulated_cublas_lt();
#else
  static const CublasLt library = load_cublas_lt("libcublasLt.so.13");
  return library;
#endif
}

void cublas_check(const CublasLt& library, int32_t status, std::string_view where,
                  std::string_view what) {
  if (status == kCublasSuccess) return;
  std::string hint = reason();
  throw Error({.where = std::string(where),
               .what = std::string(what),
               .found = fmt::format("{} (cuBLAS status {})", library.status_string(status), status),
               .hint = hint.empty() ? kWithout : std::move(hint)});
}

}  // namespace tessera
