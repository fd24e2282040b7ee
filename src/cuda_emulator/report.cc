#include "cuda_emulator/report.h"

#include <fmt/format.h>

#include <cstring>
#include <map>
#include <vector>

namespace tessera {
namespace {

const char* name_of(WarpWord word) {
  switch (word) {
    case WarpWord::kShuffleXor:
      return "__shfl_xor_sync";
    case WarpWord::kShuffleUp:
      return "__shfl_up_sync";
    case WarpWord::kShuffleDown:
      return "__shfl_down_sync";
    case WarpWord::kShuffle:
      return "__shfl_sync";
    case WarpWord::kBallot:
      return "a vote";
    case WarpWord::kReduce:
      return "__reduce_sync";
    case WarpWord::kSyncWarp:
      return "__syncwarp";
    case WarpWord::kMultiplyBf16:
      return "mma_bf16";
    case WarpWord::kMultiplyInt8:
      return "mma_int8";
    case WarpWord::kLoadMatrix:
      return "ldmatrix_x4";
  }
  return "?";
}

std::string describe_state(const DeviceThread& thread) {
  switch (thread.state) {
    case ThreadState::kNew:
      return "have not begun";
    case ThreadState::kReady:
      return "could go on";
    case ThreadState::kAtBarrier:
      return "wait in __syncthreads at " + describe_place(thread.place);
    case ThreadState::kInWarp:
      return fmt::format("wait in {} of lanes {:08x} at {}", name_of(thread.word), thread.mask,
                         describe_place(thread.place));
    case ThreadState::kExited:
      return "have exited";
  }
  return "?";
}

}  // namespace

bool same_place(const SourcePlace& a, const SourcePlace& b) {
  return a.line == b.line && (a.file == b.file || std::strcmp(a.file, b.file) == 0);
}

std::string describe_place(const SourcePlace& place) {
  const std::string file = place.file;
  return fmt::format("{}:{}", file.substr(file.rfind('/') + 1), place.line);
}

std::string describe_block(uint3 index) {
  return fmt::format("block ({},{},{})", index.x, index.y, index.z);
}

std::string describe_threads(std::span<DeviceThread* const> threads) {
  std::map<std::string, std::vector<uint32_t>> groups;
  for (const DeviceThread* thread : threads)
    groups[describe_state(*thread)].push_back(thread->linear);
  std::string text;
  for (const auto& [state, numbers] : groups) {
    text += fmt::format("  {} threads (first {}, last {}) {}\n", numbers.size(), numbers.front(),
                        numbers.back(), state);
  }
  return text;
}

}  // namespace tessera
