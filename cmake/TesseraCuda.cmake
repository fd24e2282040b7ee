# CUDA, real or emulated: the toolkit's headers, and what a .cu is compiled with.
# For all GPUs unless CMAKE_CUDA_ARCHITECTURES says for which. Up to 9.0 kernels ask for nothing
# beyond compute capability 8.0: one PTX is made into the code of four. The compiler's own for 10 and
# 12 needs fewer registers; its PTX is kept for GPUs to come.
if(TESSERA_CUDA STREQUAL "NVCC")
  if(NOT CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES OFF)
    set(gencode -gencode=arch=compute_80,code=[sm_80,sm_86,sm_89,sm_90]
        -gencode=arch=compute_100,code=sm_100 -gencode=arch=compute_120,code=[sm_120,compute_120])
  endif()
  enable_language(CUDA)
endif()
if(NOT TESSERA_CUDA STREQUAL "OFF")
  find_package(CUDAToolkit 13.0 REQUIRED)
endif()

# Flags of kernel files under nvcc, in place of tessera_flags. Beware: cxx_std_20 does not reach .cu
# files, and CMake 3.25 does not know cuda_std_20 for nvcc 13.
set(TESSERA_NVCC_FLAGS -std=c++20 -O3 --expt-relaxed-constexpr ${gencode}
  -Werror all-warnings -Xptxas=-v)

# tessera_cuda_sources(TARGET a.cu ...): adds kernel files to a target, each compiled on its own: a
# unity file would hide a missing include.
# Real: what ptxas says of each kernel is kept beside its object (tools/keep_ptxas_log.py).
# Emulated: as C++. A uint4 read as bf16 is normal in kernels and undefined in C++, hence
# -fno-strict-aliasing.
function(tessera_cuda_sources target)
  target_sources(${target} PRIVATE ${ARGN})
  set(kernels ${ARGN})
  list(FILTER kernels INCLUDE REGEX "[.]cu$")
  if(NOT kernels)
    return()
  endif()
  set_source_files_properties(${kernels} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  if(TESSERA_CUDA STREQUAL "EMULATED")
    set_source_files_properties(${kernels} PROPERTIES LANGUAGE CXX
      COMPILE_OPTIONS "-xc++;-O2;-fno-strict-aliasing;-Wno-unknown-pragmas")
  else()
    target_compile_options(${target} PRIVATE
      "$<$<COMPILE_LANGUAGE:CUDA>:${TESSERA_NVCC_FLAGS}>")
    set_target_properties(${target} PROPERTIES
      CUDA_COMPILER_LAUNCHER "${PROJECT_SOURCE_DIR}/tools/keep_ptxas_log.py")
  endif()
endfunction()
