#pragma once

#include "checkpoint/model_config.h"
#include "text/tokenizer.h"

namespace tessera {

/// Throws Error that names the tokenizer's file when it is another model's: when
///
/// - it gives ids that the model has no row for;
/// - more of the model's ids have no piece than padding explains. Published models round their
///   vocabulary up: by up to 255 to a multiple of 64, 128 or 256 (Qwen2: 151,646 of 151,936), and a
///   few further (DeepSeek-LLM: 100,015 of 102,400, 2.3 %). Allowed are a sixteenth, and whatever
///   rounding up to the power of two explains, up to 256, that divides the model's number;
/// - an id that the configuration gives a part (bos, eos, pad) has no piece; bos, or all that
///   config.json says end a text, are pieces of ordinary text. (A list may add some to the special
///   one, generation_config.json may end answers at whatever it likes, and texts are filled up with
///   anything, as nobody reads that.)
void check_tokenizer(const Tokenizer& tokenizer, const ModelConfig& config);

}  // namespace tessera
