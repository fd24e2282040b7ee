#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace tessera {

/// The id that stands where a picture's rows go; no vocabulary has it.
inline constexpr int32_t kImageToken = -200;

/// The ids of a conversation: bos where the template or the tokenizer wants one, then the prompt's
/// chunks with one kImageToken between two of them. Each chunk is encoded on its own, as the
/// reference does it.
///
/// A "<image_placeholder>" that a user wrote stays text: the reference would take it for a picture
/// that it does not have.
///
/// With Specials::kParse, the default and the reference's way, a user who writes "<|im_end|>" gets
/// that token; servers may prefer kAsText, which leaves those of the template alone.
///
/// Throws UsageError as ChatTemplate::render_chunks does and when the vocabulary lacks a token of
/// the template, Error as Tokenizer::encode does.
std::vector<int32_t> build_prompt(const Tokenizer& tokenizer, const ChatTemplate& chat,
                                  std::span<const ChatMessage> messages,
                                  Tokenizer::Specials specials = Tokenizer::Specials::kParse);

}  // namespace tessera
