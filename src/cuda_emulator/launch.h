#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <functional>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace tessera {

/// A kernel on its way to a stream.
struct KernelLaunch {
  const void* kernel = nullptr;  ///< its address: what cudaFuncSetAttribute knows it by
  dim3 grid, block;
  size_t shared_bytes = 0;
  cudaStream_t stream = nullptr;
  std::vector<const void*> pointers;  ///< every argument that is one
  std::function<void()> body;         ///< runs one thread
};

/// What cudaLaunchKernelEx does and says.
cudaError_t enqueue_kernel(KernelLaunch launch);

/// As in cuda/kernel.cuh.
template <typename... Parameters, typename... Arguments>
cudaError_t launch_kernel(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared_bytes,
                          cudaStream_t stream, Arguments&&... arguments) {
  std::tuple<Parameters...> packed(Parameters(std::forward<Arguments>(arguments))...);
  std::vector<const void*> pointers;
  const auto note = [&](const auto& argument) {
    if constexpr (std::is_pointer_v<std::remove_cvref_t<decltype(argument)>>)
      pointers.push_back(argument);
  };
  std::apply([&](const auto&... argument) { (note(argument), ...); }, packed);
  return enqueue_kernel({.kernel = reinterpret_cast<const void*>(kernel),
                         .grid = grid,
                         .block = block,
                         .shared_bytes = shared_bytes,
                         .stream = stream,
                         .pointers = std::move(pointers),
                         .body = [kernel, packed] { std::apply(kernel, packed); }});
}

/// As in cuda/kernel.cuh.
template <typename... Parameters>
cudaError_t allow_dynamic_shared(void (*kernel)(Parameters...), size_t bytes) {
  return cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                              cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes));
}

}  // namespace tessera
