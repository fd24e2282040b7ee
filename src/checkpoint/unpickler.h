#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/pickle_value.h"

namespace tessera {

/// The tensors that a data.pkl of torch.save describes, in the order of the pickle, under their
/// names in the dict at the top (or in its "state_dict" or "model").
///
/// A pickle is a program. This reader runs only the few instructions that tensor files are made of,
/// on values of its own; functions and classes are names on a short list, never anything that
/// exists, so nothing of the file is ever executed. Everything else is an Error that names `where`
/// and the byte. Time and memory are bounded by the limits below. Storages are not looked at.
/// Source: Python's Lib/pickletools.py for the instructions, torch/_weights_only_unpickler.py for
/// the list that torch itself keeps.
std::vector<PickledTensor> unpickle_tensors(std::string_view pickle, const std::string& where);

/// What tensor files stay far below: 1,000 tensors take 45,000 instructions and 18,000 memo slots.
struct PickleLimits {
  static constexpr uint64_t kBytes = uint64_t{64} << 20;
  static constexpr size_t kInstructions = 4'000'000;
  static constexpr size_t kStack = 1'000'000;
  static constexpr uint32_t kMemo = 1'000'000;
  static constexpr size_t kTextBytes = 64 << 10;
};

}  // namespace tessera
