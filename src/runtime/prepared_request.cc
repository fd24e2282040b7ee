#include "runtime/prepared_request.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/own_chat_template.h"

namespace tessera {
namespace {

// The reference runs Yi-VL with its own template and end; other models say theirs.
ChatTemplate template_of(const ModelConfig& config, const std::string& mode) {
  if (!mode.empty()) return ChatTemplate::named(mode);
  if (config.family == ModelConfig::Family::kYiVl) return ChatTemplate::named("mm_default");
  return own_chat_template(config.dir);
}

std::vector<int32_t> models_ends(const ModelConfig& config) {
  const bool yi_vl = config.family == ModelConfig::Family::kYiVl;
  const bool as_generation = !yi_vl && !config.generation.eos_ids.empty();
  std::vector<int32_t> ends;
  for (const int64_t id : as_generation ? config.generation.eos_ids : config.decoder.eos_ids)
    ends.push_back(static_cast<int32_t>(id));
  return ends;
}

PromptTokens prompt_as_it_is(const Tokenizer& tokenizer, const Request& request) {
  if (!request.prompt_text) return {.prompt_ids = request.prompt_ids, .ids = request.prompt_ids};
  std::vector<int32_t> ids;
  if (tokenizer.add_bos() && tokenizer.bos_id() >= 0) ids.push_back(tokenizer.bos_id());
  std::ranges::copy(tokenizer.encode(*request.prompt_text, Tokenizer::Specials::kParse),
                    std::back_inserter(ids));
  if (ids.empty()) throw UsageError({.where = "prompt", .expected = "a text", .found = "nothing"});
  return {.prompt_ids = ids, .ids = ids};
}

}  // namespace

std::vector<int32_t> end_tokens(const ModelConfig& config, const Tokenizer& tokenizer) {
  std::vector<int32_t> ends = models_ends(config);
  const std::string_view end = template_of(config, "").end_token();
  if (!end.empty() && tokenizer.id_of(end) >= 0) ends.push_back(tokenizer.id_of(end));
  return ends;
}

PreparedRequest prepare_request(const ModelSpec& model, const Tokenizer& tokenizer, int64_t context,
                                const Request& request, Tokenizer::Specials specials) {
  PreparedRequest out;
  out.ends = models_ends(model.config);
  if (request.messages.empty()) {
    out.prompt = prompt_as_it_is(tokenizer, request);
  } else {
    const ChatTemplate chat = template_of(model.config, request.conversation_mode);
    const int64_t rows_per_picture = model.vision ? model.config.vision->rows_out() : 0;
    out.prompt = make_prompt_tokens(tokenizer, chat, request.messages, rows_per_picture, specials);
    out.stops.assign(chat.stop_strings().begin(), chat.stop_strings().end());
    if (!chat.end_token().empty()) out.ends.push_back(tokenizer.id_of(chat.end_token()));
  }
  if (request.stop_strings) {
    if (request.stop_strings->empty()) out.stops.clear();
    std::ranges::copy(*request.stop_strings, std::back_inserter(out.stops));
  }
  if (request.ignore_end) {
    out.ends.clear();
    if (!request.stop_strings) out.stops.clear();
  }
  std::ranges::copy(request.stop_ids, std::back_inserter(out.ends));

  const auto rows = static_cast<int64_t>(out.prompt.ids.size());
  const int64_t room = context - rows;
  if (room < 1)
    throw Error({.where = "prompt",
                 .expected = fmt::format("at most {} tokens, pictures included", context - 1),
                 .found = fmt::format("{}", rows),
                 .hint = context < model.config.decoder.max_positions
                             ? "a larger --context gives it room"
                             : "the model's context is that long; ask a shorter question"});
  out.max_new_tokens = std::min(request.max_new_tokens, room);
  return out;
}

}  // namespace tessera
