#pragma once

#include "server/api_options.h"
#include "server/body_fields.h"
#include "tessera/engine.h"

namespace tessera {

/// The fields that chat and plain completions share, into `request`:
///   OpenAI's    temperature (1) top_p n seed stop presence_penalty frequency_penalty logit_bias
///               user
///   of others   top_k min_p repetition_penalty (repeat_penalty) ignore_eos stop_token_ids
/// top_k of 0 and -1, and top_p of 1, are off. Throws HttpError.
void read_sampling(const BodyFields& body, const ApiLimits& limits, Request& request);

}  // namespace tessera
