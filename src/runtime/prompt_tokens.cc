#include "runtime/prompt_tokens.h"

#include "base/out_of_memory.h"
#include "image/decode.h"
#include "image/preprocess.h"
#include "text/prompt.h"

namespace tessera {
namespace {

ChatMessage::Role chat_role(Message::Role role) {
  switch (role) {
    case Message::Role::kSystem:
      return ChatMessage::Role::kSystem;
    case Message::Role::kUser:
      return ChatMessage::Role::kUser;
    case Message::Role::kAssistant:
      break;
  }
  return ChatMessage::Role::kAssistant;
}

}  // namespace

PromptTokens make_prompt_tokens(const Tokenizer& tokenizer, const ChatTemplate& chat,
                                std::span<const Message> messages, int64_t rows_per_picture,
                                Tokenizer::Specials specials) {
  std::vector<ChatMessage> turns;
  for (const Message& message : messages) {
    if (!message.pictures.empty() && rows_per_picture == 0)
      throw UsageError({.where = message.pictures.front().name,
                        .what = "this model takes no pictures",
                        .hint = "ask without --image-file"});
    turns.push_back({.role = chat_role(message.role),
                     .text = message.text,
                     .images = static_cast<int>(message.pictures.size())});
  }
  return spread_pictures(build_prompt(tokenizer, chat, turns, specials), rows_per_picture);
}

PromptTokens spread_pictures(std::vector<int32_t> prompt_ids, int64_t rows_per_picture) {
  PromptTokens prompt{.prompt_ids = std::move(prompt_ids)};
  for (const int32_t id : prompt.prompt_ids) {
    if (id != kImageToken) {
      prompt.ids.push_back(id);
      continue;
    }
    prompt.pictures.push_back(
        {.first_row = static_cast<int64_t>(prompt.ids.size()), .rows = rows_per_picture});
    prompt.ids.insert(prompt.ids.end(), static_cast<size_t>(rows_per_picture), 0);
  }
  return prompt;
}

std::vector<float> read_pixels(const Picture& picture, const PreprocessConfig& config) {
  const PreprocessSpec spec{.size = config.size,
                            .crop = config.crop,
                            .mean = config.mean,
                            .std = config.std,
                            .rescale = config.rescale,
                            .pad_to_square = config.pad_to_square};
  return with_out_of_memory_as_error(picture.name, [&] {
    const Image image = picture.bytes
                            ? decode_image(std::as_bytes(std::span(*picture.bytes)), picture.name)
                            : read_image(picture.name);
    return to_pixels(fit_to_model(image, spec), spec);
  });
}

std::vector<std::vector<float>> read_pictures(std::span<const Message> messages,
                                              const PreprocessConfig& config) {
  std::vector<std::vector<float>> pictures;
  for (const Message& message : messages)
    for (const Picture& picture : message.pictures)
      pictures.push_back(read_pixels(picture, config));
  return pictures;
}

}  // namespace tessera
