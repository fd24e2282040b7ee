#include <cuda_runtime_api.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <utility>

#include "cuda_emulator/api_call.h"

// cudart: graphs that are captured from streams. A graph runs as one op of the stream that it is
// launched into, its parts one after another in the order of their capture.

namespace tessera {
namespace {

constexpr double kGraphOpUs = 1;  // to start an op from a graph, against op_us by itself

cudaError_t run_ops(const std::vector<StreamOp>& ops) {
  for (const StreamOp& op : ops)
    if (const cudaError_t error = op.body(); error != cudaSuccess) return error;
  return cudaSuccess;
}

}  // namespace
}  // namespace tessera

using namespace tessera;

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  return stream_call("cudaStreamBeginCapture", stream, [&](Machine&, auto&) {
    if (stream->capture != nullptr)
      return refuse(cudaErrorIllegalState, "the stream is captured already");
    stream->capture = std::make_shared<Capture>(Capture{.origin = stream});
    stream->capture->seen[stream] = {};
    return cudaSuccess;
  });
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  return stream_call("cudaStreamIsCapturing", stream, [&](Machine&, auto&) {
    *status = stream->capture == nullptr ? cudaStreamCaptureStatusNone
              : stream->capture->broken  ? cudaStreamCaptureStatusInvalidated
                                         : cudaStreamCaptureStatusActive;
    return cudaSuccess;
  });
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  return stream_call("cudaStreamEndCapture", stream, [&](Machine& machine, auto&) {
    *graph = nullptr;
    const std::shared_ptr<Capture> capture = stream->capture;
    if (capture == nullptr) return cudaErrorIllegalState;
    if (capture->origin != stream) return cudaErrorStreamCaptureUnmatched;
    const bool joined = capture->is_joined();
    for (const auto& known : machine.streams)
      if (known->capture == capture) known->capture = nullptr;
    capture->seen.clear();
    if (capture->broken) return cudaErrorStreamCaptureInvalidated;
    if (!joined)
      return refuse(cudaErrorStreamCaptureUnjoined,
                    "a captured stream that the first one has not waited for");
    *graph = new CUgraph_st{.ops = std::move(capture->ops)};
    return cudaSuccess;
  });
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                 unsigned long long) {
  return api_call("cudaGraphInstantiate", [&](Machine& machine, auto&) {
    if (graph == nullptr) return cudaErrorInvalidValue;
    auto made = std::make_unique<CUgraphExec_st>(
        CUgraphExec_st{.ops = std::make_shared<const std::vector<StreamOp>>(graph->ops)});
    *executable = made.get();
    machine.executables.push_back(std::move(made));
    return cudaSuccess;
  });
}

cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t stream) {
  return stream_call("cudaGraphUpload", stream, [](Machine&, auto&) { return cudaSuccess; });
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  return stream_call("cudaGraphLaunch", stream, [&](Machine& machine, auto&) {
    if (executable == nullptr) return cudaErrorInvalidValue;
    const auto ops = executable->ops;
    const double saved_us = machine.settings.op_us - kGraphOpUs;
    const double us = std::accumulate(
        ops->begin(), ops->end(), machine.settings.op_us,
        [&](double sum, const StreamOp& op) { return sum + std::max(op.us - saved_us, 0.0); });
    submit(machine, stream, {.body = [ops] { return run_ops(*ops); }, .us = us});
    return cudaSuccess;
  });
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  return api_call("cudaGraphExecDestroy", [&](Machine& machine, auto&) {
    const size_t found = std::erase_if(
        machine.executables, [&](const auto& known) { return known.get() == executable; });
    return found == 1 ? cudaSuccess : cudaErrorInvalidValue;
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return api_call("cudaGraphDestroy", [&](Machine&, auto&) {
    delete graph;
    return cudaSuccess;
  });
}
