#include "tessera/engine.h"

#include <fmt/format.h>

#include "base/out_of_memory.h"
#include "runtime/local_engine.h"
#include "runtime/planning.h"

namespace tessera {

std::unique_ptr<Engine> Engine::create(const EngineOptions& options, const CancelFlag* cancel) {
  return with_out_of_memory_as_error(options.model_path, [&]() -> std::unique_ptr<Engine> {
    return std::make_unique<LocalEngine>(options, cancel);
  });
}

Plan plan_model(const EngineOptions& options) {
  return with_out_of_memory_as_error(options.model_path, [&] { return find_plan(options); });
}

std::vector<int32_t> tokenize(const std::string& model_path, std::string_view text) {
  return with_out_of_memory_as_error(model_path, [&] {
    return Tokenizer::open(model_path)->encode(text, Tokenizer::Specials::kParse);
  });
}

std::string detokenize(const std::string& model_path, const std::vector<int32_t>& ids) {
  const std::unique_ptr<Tokenizer> tokenizer = Tokenizer::open(model_path);
  for (const int32_t id : ids)
    if (id < 0 || id >= tokenizer->vocab_size())
      throw Error({.where = "token id",
                   .expected = fmt::format("0 to {}", tokenizer->vocab_size() - 1),
                   .found = fmt::format("{}", id)});
  return tokenizer->decode(ids);
}

}  // namespace tessera
