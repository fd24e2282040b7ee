#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/units.h"

namespace tessera {

/// What one request may ask for; the transport has limits of its own on headers and bodies, the
/// image module on pixels.
struct ApiLimits {
  size_t messages = 1024;
  size_t pictures = 16;                 ///< of one request
  uint64_t picture_bytes = 32 * kMiB;   ///< of one picture's file
  uint64_t text_bytes = 4 * kMiB;       ///< of one request's texts
  size_t prompt_ids = 1 << 20;          ///< of a prompt given as tokens
  int64_t choices = 16;                 ///< n
  size_t stops = 16, stop_bytes = 256;  ///< stop strings, and the length of one
  size_t stop_ids = 64, biases = 1024;  ///< of stop_token_ids, of logit_bias
  int64_t top_logprobs = 20;            ///< OpenAI's own bound
  uint64_t form_bytes = 256 * kKiB;     ///< of a schema or an expression
  size_t event_listeners = 64;          ///< of GET /v1/events, all together
};

struct ApiOptions {
  std::string version = {};                     ///< of the program
  std::vector<std::string> model_aliases = {};  ///< further names that the model answers to
  double timeout_s = 0;                         ///< for each answer; 0: none
  ApiLimits limits = {};
};

}  // namespace tessera
