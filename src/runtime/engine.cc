#include "tessera/engine.h"

#include "runtime/local_engine.h"
#include "runtime/planning.h"

namespace tessera {

std::unique_ptr<Engine> Engine::create(const EngineOptions& options, const CancelFlag* cancel) {
  return std::make_unique<LocalEngine>(options, cancel);
}

std::vector<int32_t> tokenize(const std::string& model_path, std::string_view text) {
  return Tokenizer::open(model_path)->encode(text, Tokenizer::Specials::kParse);
}

std::string detokenize(const std::string& model_path, const std::vector<int32_t>& ids) {
  return Tokenizer::open(model_path)->decode(ids);
}

}  // namespace tessera
