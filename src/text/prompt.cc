#include "text/prompt.h"

namespace tessera {

std::vector<int32_t> build_prompt(const Tokenizer& tokenizer, const ChatTemplate& chat,
                                  std::span<const ChatMessage> messages,
                                  Tokenizer::Specials specials) {
  std::vector<int32_t> ids;
  if (tokenizer.add_bos()) ids.push_back(tokenizer.bos_id());
  bool first = true;
  for (const std::string& chunk : chat.render_chunks(messages)) {
    if (!first) ids.push_back(kImageToken);
    first = false;
    const std::vector<int32_t> part = tokenizer.encode(chunk, specials);
    ids.insert(ids.end(), part.begin(), part.end());
  }
  return ids;
}

}  // namespace tessera
