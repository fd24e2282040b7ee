#include "device/cuda_gemms.h"

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <algorithm>
#include <cassert>

#include "tessera/error.h"

namespace tessera {
namespace {

constexpr uint32_t kGemmAlignment = 16;  // what the library's fast kernels copy at a time
constexpr int64_t kBF16Multiple = kGemmAlignment / 2,
                  kF32Multiple = kGemmAlignment / 4;  // in elements

bool is_aligned(const void* data) {
  return reinterpret_cast<uintptr_t>(data) % kGemmAlignment == 0;
}

bool suits_library(const GemmShape& shape, const GemmOperands& operands) {
  return shape.x_stride % kBF16Multiple == 0 && shape.w_stride % kBF16Multiple == 0 &&
         shape.y_stride % kF32Multiple == 0 && is_aligned(operands.x) && is_aligned(operands.w) &&
         is_aligned(operands.y) && (!shape.bias || is_aligned(operands.bias));
}

}  // namespace

CudaGemms::CudaGemms(const CudaCalls& calls, uint64_t workspace_bytes)
    : calls_(calls), library_(cublas_lt()), workspace_bytes_(workspace_bytes) {
  const auto check_setup = [&](int32_t status) {
    if (status != kCublasSuccess) fail(status, "setting up cuBLASLt");
  };
  CublasLtContext* context = nullptr;
  check_setup(library_.create(&context));
  context_ = {context, {library_.destroy}};
  CublasLtPreference* preference = nullptr;
  check_setup(library_.preference_create(&preference));
  preference_ = {preference, {library_.preference_destroy}};
  const auto set = [&](int32_t attribute, const auto& value) {
    check_setup(library_.preference_set(preference, attribute, &value, sizeof(value)));
  };
  set(kCublasLtMostWorkspace, workspace_bytes_);
  for (int32_t matrix = 0; matrix < 4; ++matrix) set(kCublasLtAlignmentA + matrix, kGemmAlignment);
}

CudaGemms::~CudaGemms() {
  calls_.note(cudaSetDevice(calls_.card()), "its card");
}

bool CudaGemms::multiply(const CudaQueue& queue, const GemmShape& shape,
                         const GemmOperands& operands) {
  assert(queue.workspace_bytes >= workspace_bytes_);
  if (!suits_library(shape, operands)) return false;
  const std::lock_guard lock(mutex_);  // a plan's bias is set and used
  const Plan& plan = plan_of(shape);
  if (!plan.algorithm) return false;
  if (shape.bias)
    check(library_.operation_set(plan.operation.get(), kCublasLtBiasPointer, &operands.bias,
                                 sizeof(operands.bias)),
          shape);
  const float one = 1, kept = operands.add_to_y ? 1 : 0;
  check(library_.matmul(context_.get(), plan.operation.get(), &one, operands.w, plan.w.get(),
                        operands.x, plan.x.get(), &kept, operands.y, plan.y.get(), operands.y,
                        plan.y.get(), &*plan.algorithm, queue.workspace, workspace_bytes_,
                        queue.stream),
        shape);
  return true;
}

size_t CudaGemms::plans() const {
  const std::lock_guard lock(mutex_);
  return plans_.size();
}

CudaGemms::Plan& CudaGemms::plan_of(const GemmShape& shape) {
  auto found = plans_.find(shape);
  if (found == plans_.end()) {
    Plan plan = make_plan(shape);
    make_room();
    found = plans_.emplace(shape, std::move(plan)).first;
  }
  found->second.used = ++use_;
  return found->second;
}

// The library's matrices are column by column: its A is w, [in, out] to it, its B is x, [in, rows],
// and its D is y, [out, rows] = A^T B.
CudaGemms::Plan CudaGemms::make_plan(const GemmShape& shape) const {
  CublasLtOperation* operation = nullptr;
  check(library_.operation_create(&operation, kCublasSumsF32, kCublasF32), shape);
  Plan plan = {.operation = {operation, {library_.operation_destroy}},
               .w = layout(shape, kCublasBF16, shape.in, shape.out, shape.w_stride),
               .x = layout(shape, kCublasBF16, shape.in, shape.rows, shape.x_stride),
               .y = layout(shape, kCublasF32, shape.out, shape.rows, shape.y_stride)};
  const auto set = [&](int32_t attribute, const auto& value) {
    check(library_.operation_set(operation, attribute, &value, sizeof(value)), shape);
  };
  set(kCublasLtTransposeA, kCublasTransposed);
  if (shape.bias) {
    set(kCublasLtEpilogue, kCublasLtAddBias);
    // Of the pointer the choice takes the alignment alone: one that every bias here has.
    set(kCublasLtBiasPointer, reinterpret_cast<const void*>(uintptr_t{kGemmAlignment}));
  }
  CublasLtChoice choice = {};
  int32_t found = 0;
  const int32_t status =
      library_.choose(context_.get(), operation, plan.w.get(), plan.x.get(), plan.y.get(),
                      plan.y.get(), preference_.get(), 1, &choice, &found);
  if (status == kCublasNotSupported) return plan;
  check(status, shape);
  if (found == 1 && choice.status == kCublasSuccess && choice.workspace_bytes <= workspace_bytes_)
    plan.algorithm = choice.algorithm;
  return plan;
}

// What was queued by a plan does not need it any more.
void CudaGemms::make_room() {
  if (plans_.size() < kMostPlans) return;
  plans_.erase(
      std::ranges::min_element(plans_, {}, [](const auto& known) { return known.second.used; }));
}

CudaGemms::Handle<CublasLtLayout> CudaGemms::layout(const GemmShape& of, int32_t type, int64_t rows,
                                                    int64_t cols, int64_t stride) const {
  CublasLtLayout* made = nullptr;
  check(library_.layout_create(&made, type, static_cast<uint64_t>(rows),
                               static_cast<uint64_t>(cols), stride),
        of);
  return {made, {library_.layout_destroy}};
}

void CudaGemms::check(int32_t status, const GemmShape& shape) const {
  if (status == kCublasSuccess) return;
  fail(status, fmt::format("{} rows of {} inputs to {} outputs by cuBLASLt", shape.rows, shape.in,
                           shape.out));
}

// A card that is lost says so in CUDA's words, which the device keeps.
void CudaGemms::fail(int32_t status, const std::string& what) const {
  try {
    cublas_check(library_, status, calls_.device_name(), what);
  } catch (const Error&) {
    size_t free = 0, total = 0;
    calls_.check(cudaMemGetInfo(&free, &total), what);
    throw;
  }
}

}  // namespace tessera
