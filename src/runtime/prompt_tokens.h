#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "checkpoint/model_config.h"
#include "tessera/engine.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace tessera {

/// A prompt as the decoder sees it: a token for each row, pictures spread out.
struct PromptTokens {
  struct Picture {
    int64_t first_row;  ///< of the prompt
    int64_t rows;
  };
  std::vector<int32_t> prompt_ids;  ///< with kImageToken where a picture stands
  std::vector<int32_t> ids;         ///< one a row; 0 under a picture
  std::vector<Picture> pictures;
};

/// Spreads out the pictures of ids that have kImageToken where one stands.
PromptTokens spread_pictures(std::vector<int32_t> prompt_ids, int64_t rows_per_picture);

/// `rows_per_picture` is 0 for a model without vision: then pictures are an Error.
PromptTokens make_prompt_tokens(const Tokenizer& tokenizer, const ChatTemplate& chat,
                                std::span<const Message> messages, int64_t rows_per_picture,
                                Tokenizer::Specials specials = Tokenizer::Specials::kParse);

/// The normalised pixels of a picture: f32 [3, size, size]. Throws Error when it is none.
std::vector<float> read_pixels(const Picture& picture, const PreprocessConfig& config);

/// Those of each picture of the conversation, in order.
std::vector<std::vector<float>> read_pictures(std::span<const Message> messages,
                                              const PreprocessConfig& config);

}  // namespace tessera
