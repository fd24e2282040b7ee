#include "text/prompt.h"

#include "base/json.h"
#include "tessera/error.h"

namespace tessera {
namespace {

bool begins_with_bos(const Tokenizer& tokenizer, const ChatTemplate& chat) {
  switch (chat.format().bos) {
    case ChatTemplate::Bos::kNever:
      return false;
    case ChatTemplate::Bos::kTokenizers:
      return tokenizer.add_bos();
    case ChatTemplate::Bos::kAlways:
      break;
  }
  if (tokenizer.bos_id() < 0)
    throw UsageError({.where = "conversation mode " + chat.name(),
                      .expected = "a tokenizer with a bos token",
                      .found = "none"});
  return true;
}

}  // namespace

std::vector<int32_t> build_prompt(const Tokenizer& tokenizer, const ChatTemplate& chat,
                                  std::span<const ChatMessage> messages,
                                  Tokenizer::Specials specials) {
  for (const std::string_view token : chat.special_tokens())
    if (tokenizer.id_of(token) < 0)
      throw UsageError({.where = "conversation mode " + chat.name(),
                        .expected = "a model with the token " + std::string(token),
                        .found = "a vocabulary without it"});
  std::vector<int32_t> ids;
  if (begins_with_bos(tokenizer, chat)) ids.push_back(tokenizer.bos_id());
  bool first = true;
  for (const PromptChunk& chunk : chat.render_chunks(messages)) {
    if (!first) ids.push_back(kImageToken);
    first = false;
    std::vector<Tokenizer::Part> parts;
    for (const PromptPart& part : chunk)
      parts.push_back({part.text, part.own ? Tokenizer::Specials::kParse : specials});
    const std::vector<int32_t> chunk_ids = tokenizer.encode(parts);
    ids.insert(ids.end(), chunk_ids.begin(), chunk_ids.end());
  }
  return ids;
}

}  // namespace tessera
