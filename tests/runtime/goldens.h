#pragma once

#include <map>
#include <string>
#include <vector>

#include "tessera/engine.h"

namespace tessera {

/// What the oracle recorded (docs/oracle.md says how): tests/golden/<checkpoint>/golden.
struct GoldenTurn {
  std::string question, prompt, text, finish_reason;
  std::vector<int32_t> prompt_ids, token_ids;
  int64_t prompt_tokens = 0;
  std::vector<std::pair<int32_t, float>> first_logits;
  int64_t beams = 0;
  std::vector<int32_t> beam_token_ids;
  double beam_score = 0;
};

struct GoldenCase {
  std::string name;
  std::vector<std::string> pictures;  ///< full paths
  std::string tensors;                ///< full path of the recorded seams
  int64_t max_new_tokens = 0;
  std::vector<GoldenTurn> turns;
};

std::string golden_dir(const std::string& checkpoint);
std::vector<GoldenCase> read_goldens(const std::string& checkpoint);

/// The recorded f32 seams of a case by name.
std::map<std::string, std::vector<float>> read_seams(const GoldenCase& golden);

/// The request of turn `turn`: the turns before it, with the recorded answers, come first.
Request request_of(const GoldenCase& golden, size_t turn);

}  // namespace tessera
