#include "cuda_emulator/cublas_lt.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "cuda_emulator/api_call.h"
#include "cuda_emulator/library_gemm.h"

namespace tessera {

// What handles of the library point to here.
struct CublasLtContext {
  int gpu = 0;
};
struct CublasLtLayout {
  int32_t type = 0;
  uint64_t rows = 0, cols = 0;
  int64_t stride = 0;
};
struct CublasLtOperation {
  int32_t transpose_a = 0;
  uint32_t epilogue = 1;
  const void* bias = nullptr;
};
struct CublasLtPreference {
  uint64_t workspace_bytes = 0;
  uint32_t alignments[4] = {256, 256, 256, 256};  // of A, B, C, D
};

namespace {

constexpr size_t kWorkspaceAlignment = 256;
constexpr uint64_t kOwnAlgorithm = 0x7465737365726121;  // the first word of algorithms made here

int32_t status_of(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return kCublasSuccess;
    case cudaErrorInvalidValue:
    case cudaErrorInvalidResourceHandle:
      return kCublasInvalidValue;
    case cudaErrorMemoryAllocation:
      return kCublasAllocFailed;
    case cudaErrorNotSupported:
      return kCublasNotSupported;
    default:
      return kCublasExecutionFailed;
  }
}

template <typename T, typename... Arguments>
int32_t create(std::string_view call, T** made, Arguments... arguments) {
  return status_of(api_call(call, [&](Machine&, auto&) {
    *made = new T{arguments...};
    return cudaSuccess;
  }));
}

// Even where the GPU is lost.
template <typename T>
int32_t destroy(T* made) {
  delete made;
  return kCublasSuccess;
}

const char* status_string(int32_t status) {
  switch (status) {
    case kCublasAllocFailed:
      return "the resource allocation failed";
    case kCublasInvalidValue:
      return "an unsupported value or parameter was passed to the function";
    case kCublasExecutionFailed:
      return "the function failed to launch on the GPU";
    case kCublasNotSupported:
      return "the functionality requested is not supported";
    default:
      return "a status that the emulator has no text for";
  }
}

template <typename T>
cudaError_t set(T& to, const void* value, size_t bytes) {
  if (value == nullptr || bytes != sizeof(T))
    return refuse(cudaErrorInvalidValue,
                  fmt::format("an attribute of {} bytes, not {}", bytes, sizeof(T)));
  std::memcpy(&to, value, bytes);
  return cudaSuccess;
}

int32_t create_context(CublasLtContext** context) {
  return create("cublasLtCreate", context, host_thread().device);
}

int32_t create_layout(CublasLtLayout** layout, int32_t type, uint64_t rows, uint64_t cols,
                      int64_t stride) {
  return create("cublasLtMatrixLayoutCreate", layout, type, rows, cols, stride);
}

int32_t create_operation(CublasLtOperation** operation, int32_t sums, int32_t scale_type) {
  if (sums != kCublasSumsF32 || scale_type != kCublasF32) return kCublasNotSupported;
  return create("cublasLtMatmulDescCreate", operation);
}

int32_t set_in_operation(CublasLtOperation* operation, int32_t attribute, const void* value,
                         size_t bytes) {
  return status_of(api_call("cublasLtMatmulDescSetAttribute", [&](Machine&, auto&) {
    switch (attribute) {
      case kCublasLtTransposeA:
        return set(operation->transpose_a, value, bytes);
      case kCublasLtEpilogue:
        return set(operation->epilogue, value, bytes);
      case kCublasLtBiasPointer:
        return set(operation->bias, value, bytes);
      default:
        return refuse(cudaErrorNotSupported, "an attribute that the emulator does not know");
    }
  }));
}

int32_t create_preference(CublasLtPreference** preference) {
  return create("cublasLtMatmulPreferenceCreate", preference);
}

int32_t set_in_preference(CublasLtPreference* preference, int32_t attribute, const void* value,
                          size_t bytes) {
  return status_of(api_call("cublasLtMatmulPreferenceSetAttribute", [&](Machine&, auto&) {
    if (attribute == kCublasLtMostWorkspace) return set(preference->workspace_bytes, value, bytes);
    const int32_t matrix = attribute - kCublasLtAlignmentA;
    if (matrix >= 0 && matrix < 4) return set(preference->alignments[matrix], value, bytes);
    return refuse(cudaErrorNotSupported, "an attribute that the emulator does not know");
  }));
}

struct Layouts {
  const CublasLtLayout *a, *b, *c, *d;
};

// One that is not too narrow.
cudaError_t check_layout(const char* name, const CublasLtLayout* layout, int32_t type) {
  if (layout == nullptr) return refuse(cudaErrorInvalidValue, fmt::format("{}: no layout", name));
  if (layout->type != type)
    return refuse(cudaErrorNotSupported, fmt::format("{}: a type that the emulator does not "
                                                     "multiply",
                                                     name));
  if (layout->rows == 0 || layout->cols == 0 || layout->stride < static_cast<int64_t>(layout->rows))
    return refuse(cudaErrorInvalidValue, fmt::format("{}: leading dimension {} of columns of {}",
                                                     name, layout->stride, layout->rows));
  return cudaSuccess;
}

// The numbers of `gemm` that layouts tell.
cudaError_t read_layouts(const CublasLtOperation* operation, const Layouts& layouts,
                         LibraryGemm& gemm) {
  if (operation == nullptr || operation->transpose_a != kCublasTransposed)
    return refuse(cudaErrorNotSupported, "the emulator multiplies A^T B alone");
  const auto& [a, b, c, d] = layouts;
  if (const cudaError_t error = check_layout("A", a, kCublasBF16)) return error;
  if (const cudaError_t error = check_layout("B", b, kCublasBF16)) return error;
  if (const cudaError_t error = check_layout("C", c, kCublasF32)) return error;
  if (const cudaError_t error = check_layout("D", d, kCublasF32)) return error;
  if (a->rows != b->rows || a->cols != d->rows || b->cols != d->cols || c->rows != d->rows ||
      c->cols != d->cols || c->stride != d->stride)
    return refuse(
        cudaErrorInvalidValue,
        fmt::format("shapes that do not meet: A {} x {}, B {} x {}, C {} x {}, D {} x {}", a->rows,
                    a->cols, b->rows, b->cols, c->rows, c->cols, d->rows, d->cols));
  gemm.in = static_cast<int64_t>(a->rows);
  gemm.out = static_cast<int64_t>(a->cols);
  gemm.rows = static_cast<int64_t>(b->cols);
  gemm.a_stride = a->stride;
  gemm.b_stride = b->stride;
  gemm.d_stride = d->stride;
  return cudaSuccess;
}

// The words of an algorithm made here.
CublasLtAlgorithm algorithm_of(const LibraryGemm& gemm, bool bias, uint64_t workspace_bytes,
                               uint32_t alignment) {
  return {{kOwnAlgorithm, static_cast<uint64_t>(gemm.rows), static_cast<uint64_t>(gemm.in),
           static_cast<uint64_t>(gemm.out), bias ? 1U : 0U, workspace_bytes, alignment, 0}};
}
uint64_t workspace_of(const CublasLtAlgorithm& algorithm) {
  return algorithm.data[5];
}
uint32_t alignment_of(const CublasLtAlgorithm& algorithm) {
  return static_cast<uint32_t>(algorithm.data[6]);
}

// It wants a workspace for a second set of sums where it may have one: which it then spoils.
int32_t choose(CublasLtContext* context, CublasLtOperation* operation, CublasLtLayout* a,
               CublasLtLayout* b, CublasLtLayout* c, CublasLtLayout* d,
               CublasLtPreference* preference, int32_t most, CublasLtChoice* choices,
               int32_t* found) {
  return status_of(api_call("cublasLtMatmulAlgoGetHeuristic", [&](Machine&, auto&) {
    if (context == nullptr || preference == nullptr || most < 1)
      return refuse(cudaErrorInvalidValue, "no context, preference or room for an algorithm");
    LibraryGemm gemm;
    if (const cudaError_t error = read_layouts(operation, {a, b, c, d}, gemm)) return error;
    const uint32_t alignment = *std::ranges::min_element(preference->alignments);
    *found = 0;
    if (alignment < 16 || gemm.a_stride % 8 != 0 || gemm.b_stride % 8 != 0 ||
        gemm.d_stride % 4 != 0)
      return refuse(cudaErrorNotSupported, "columns that do not start at multiples of 16 bytes");
    const uint64_t wanted = static_cast<uint64_t>(gemm.rows * gemm.out) * sizeof(float);
    const uint64_t workspace = wanted <= preference->workspace_bytes ? wanted : 0;
    const bool bias = (operation->epilogue & kCublasLtAddBias) != 0;
    choices[0] = {.algorithm = algorithm_of(gemm, bias, workspace, alignment),
                  .workspace_bytes = workspace,
                  .status = kCublasSuccess};
    *found = 1;
    return cudaSuccess;
  }));
}

cudaError_t check_memory(const Machine& machine, int gpu, const char* name, const void* data,
                         int64_t bytes, size_t alignment) {
  const Allocation* const found = machine.find(data, static_cast<size_t>(bytes));
  if (found == nullptr || found->device != gpu)
    return refuse(cudaErrorIllegalAddress,
                  fmt::format("{}: {} bytes that are not all GPU {}'s memory", name, bytes, gpu));
  if (reinterpret_cast<uintptr_t>(data) % alignment != 0)
    return refuse(cudaErrorMisalignedAddress,
                  fmt::format("{}: not at a multiple of {} bytes", name, alignment));
  return cudaSuccess;
}

// From the first number of a matrix to behind its last.
int64_t extent(int64_t rows, int64_t cols, int64_t stride, int64_t number_bytes) {
  return ((cols - 1) * stride + rows) * number_bytes;
}

cudaError_t check_operands(const Machine& machine, int gpu, const LibraryGemm& gemm,
                           const CublasLtAlgorithm& algorithm) {
  const auto check = [&](const char* name, const void* data, int64_t bytes, size_t alignment) {
    return check_memory(machine, gpu, name, data, bytes, alignment);
  };
  const uint32_t alignment = alignment_of(algorithm);
  if (const auto error = check("A", gemm.a, extent(gemm.in, gemm.out, gemm.a_stride, 2), alignment))
    return error;
  if (const auto error =
          check("B", gemm.b, extent(gemm.in, gemm.rows, gemm.b_stride, 2), alignment))
    return error;
  const int64_t d_bytes = extent(gemm.out, gemm.rows, gemm.d_stride, 4);
  if (gemm.beta != 0)
    if (const auto error = check("C", gemm.c, d_bytes, alignment)) return error;
  if (const auto error = check("D", gemm.d, d_bytes, alignment)) return error;
  if (gemm.bias != nullptr)
    if (const auto error = check("bias", gemm.bias, gemm.out * 4, 16)) return error;
  if (gemm.workspace_bytes == 0) return cudaSuccess;
  return check("workspace", gemm.workspace, static_cast<int64_t>(gemm.workspace_bytes),
               kWorkspaceAlignment);
}

int32_t matmul(CublasLtContext* context, CublasLtOperation* operation, const void* alpha,
               const void* a, CublasLtLayout* a_layout, const void* b, CublasLtLayout* b_layout,
               const void* beta, const void* c, CublasLtLayout* c_layout, void* d,
               CublasLtLayout* d_layout, const CublasLtAlgorithm* algorithm, void* workspace,
               size_t workspace_bytes, CUstream_st* stream) {
  return status_of(stream_call("cublasLtMatmul", stream, [&](Machine& machine, auto&) {
    const int gpu = stream->device;
    if (context == nullptr || context->gpu != gpu || host_thread().device != gpu)
      return refuse(
          cudaErrorInvalidValue,
          fmt::format("the context, or the current device, is not the stream's GPU {}", gpu));
    LibraryGemm gemm;
    if (const cudaError_t error =
            read_layouts(operation, {a_layout, b_layout, c_layout, d_layout}, gemm))
      return error;
    const bool bias = (operation->epilogue & kCublasLtAddBias) != 0;
    if (algorithm == nullptr ||
        !std::ranges::equal(
            algorithm->data,
            algorithm_of(gemm, bias, workspace_of(*algorithm), alignment_of(*algorithm)).data))
      return refuse(cudaErrorInvalidValue, "an algorithm that was chosen for something else");
    if (workspace_bytes < workspace_of(*algorithm))
      return refuse(cudaErrorInvalidValue,
                    fmt::format("a workspace of {} bytes for an algorithm that needs {}",
                                workspace_bytes, workspace_of(*algorithm)));
    if (bias && operation->bias == nullptr)
      return refuse(cudaErrorInvalidValue, "a bias without its pointer");
    gemm.a = static_cast<const uint16_t*>(a);
    gemm.b = static_cast<const uint16_t*>(b);
    gemm.c = static_cast<const float*>(c);
    gemm.d = static_cast<float*>(d);
    gemm.bias = bias ? static_cast<const float*>(operation->bias) : nullptr;
    gemm.alpha = *static_cast<const float*>(alpha);
    gemm.beta = *static_cast<const float*>(beta);
    gemm.workspace = workspace;
    gemm.workspace_bytes = workspace_of(*algorithm);
    if (const cudaError_t error = check_operands(machine, gpu, gemm, *algorithm)) return error;
    submit(machine, stream,
           {.body = [gemm, gpu] { return run_library_gemm(gemm, gpu); },
            .us = machine.settings.op_us});
    return cudaSuccess;
  }));
}

}  // namespace

const CublasLt& emulated_cublas_lt() {
  static constexpr CublasLt kFunctions = {.create = create_context,
                                          .destroy = destroy<CublasLtContext>,
                                          .status_string = status_string,
                                          .layout_create = create_layout,
                                          .layout_destroy = destroy<CublasLtLayout>,
                                          .operation_create = create_operation,
                                          .operation_destroy = destroy<CublasLtOperation>,
                                          .operation_set = set_in_operation,
                                          .preference_create = create_preference,
                                          .preference_destroy = destroy<CublasLtPreference>,
                                          .preference_set = set_in_preference,
                                          .choose = choose,
                                          .matmul = matmul};
  return kFunctions;
}

}  // namespace tessera
