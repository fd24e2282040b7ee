#include "runtime/local_engine.h"

#include <filesystem>

namespace tessera {

// Not there yet on this branch: the scheduler's loop comes here.
RequestId LocalEngine::submit(Request, std::shared_ptr<AnswerListener>) {
  throw Error({.where = "submit", .what = "not yet"});
}
void LocalEngine::cancel(RequestId) {}
EngineStatus LocalEngine::status() const {
  return {};
}

std::string LocalEngine::model_name() const {
  const std::filesystem::path dir = std::filesystem::weakly_canonical(model_.config.dir);
  return dir.filename().string();
}

std::vector<int32_t> LocalEngine::tokenize(std::string_view text) const {
  return tokenizer_->encode(text, Tokenizer::Specials::kAsText);
}

std::string LocalEngine::detokenize(std::span<const int32_t> ids) const {
  return tokenizer_->decode(ids);
}

}  // namespace tessera
