// What a form costs: compiling it, a mask that is new, and one that is kept.
//   form_bench              made-up vocabularies of 64k and 256k tokens
//   form_bench MODEL_DIR    the vocabulary of a checkpoint

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <random>
#include <set>
#include <string>

#include "base/clock.h"
#include "form/form_matcher.h"
#include "text/tokenizer.h"

namespace tessera {
namespace {

// As large vocabularies look: bytes, words with and without a space, numbers, runs of punctuation,
// characters of three bytes and pairs of them.
std::shared_ptr<const FormVocabulary> made_up_vocabulary(size_t size) {
  std::mt19937 random(1);
  std::set<std::string> tokens;
  for (int byte = 0; byte < 256; ++byte) tokens.emplace(1, static_cast<char>(byte));
  for (int number = 0; number < 1000; ++number) tokens.insert(std::to_string(number));
  while (tokens.size() < size) {
    std::string token = random() % 3 != 0 ? " " : "";
    const auto kind = random() % 20;
    if (kind < 14) {
      for (auto i = 2 + random() % 9; i > 0; --i)
        token += "etaoinshrdlucmfwypvbgkjqxz"[random() % 26];
    } else if (kind < 17) {
      token.clear();
      for (auto i = 1 + random() % 2; i > 0; --i) {
        const auto character = 0x4E00 + random() % 0x5000;
        token += static_cast<char>(0xE0 | character >> 12);
        token += static_cast<char>(0x80 | (character >> 6 & 0x3F));
        token += static_cast<char>(0x80 | (character & 0x3F));
      }
    } else {
      for (auto i = 1 + random() % 5; i > 0; --i) token += "\",:{}[]()=;.- \n\t\\/"[random() % 19];
    }
    tokens.insert(token);
  }
  const std::vector<std::string> list(tokens.begin(), tokens.end());
  return std::make_shared<const FormVocabulary>(list, std::vector<int32_t>{});
}

std::shared_ptr<const FormVocabulary> vocabulary_of_model(const std::string& model_dir) {
  const auto tokenizer = Tokenizer::open(model_dir);
  std::vector<std::string> tokens;
  for (int32_t id = 0; id < tokenizer->vocab_size(); ++id)
    tokens.emplace_back(tokenizer->fragment(id).bytes);
  return std::make_shared<const FormVocabulary>(tokens, std::vector<int32_t>{tokenizer->eos_id()});
}

template <typename Work>
double microseconds(int repeats, const Work& work) {
  double best = 1e9;
  for (int i = 0; i < repeats; ++i) {
    const double begin = now_s();
    work();
    best = std::min(best, now_s() - begin);
  }
  return best * 1e6;
}

struct Case {
  const char* name;
  AnswerForm form;
  const char* before;  // what the answer has so far
};

const Case kCases[] = {
    {"JSON, beginning", {AnswerForm::Kind::kJson}, ""},
    {"JSON, in a string", {AnswerForm::Kind::kJson}, "{\"a\":\"x"},
    {"JSON, before a value", {AnswerForm::Kind::kJson}, "{\"a\":"},
    {"JSON, in a number", {AnswerForm::Kind::kJson}, "{\"a\":[[1"},
    {"JSON, 60 levels down",
     {AnswerForm::Kind::kJson},
     "{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["},
    {"schema, in a string",
     {AnswerForm::Kind::kJsonSchema,
      R"({"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"}},"required":["name","age"]})"},
     "{\"name\":\"x"},
    {"schema, maxLength 500",
     {AnswerForm::Kind::kJsonSchema, R"({"type":"string","maxLength":500})"},
     "\"x"},
    {"schema, pattern",
     {AnswerForm::Kind::kJsonSchema, R"({"type":"string","pattern":"^\\w+$"})"},
     "\"x"},
    {"regex .*", {AnswerForm::Kind::kRegex, ".*"}, "x"},
    {"regex (a|b)*c{1,40}", {AnswerForm::Kind::kRegex, "[a-z ]*-[0-9]{1,40}"}, "x"},
};

void measure(const std::shared_ptr<const FormVocabulary>& vocabulary) {
  fmt::print("\n{} tokens, {} nodes\n  {:<24} {:>11} {:>9} {:>11} {:>11} {:>9}\n",
             vocabulary->size(), vocabulary->nodes().size(), "", "compile us", "states",
             "new mask us", "kept us", "accept us");
  std::vector<uint32_t> bits(vocabulary->mask_words());
  for (const Case& example : kCases) {
    const auto form = compile_form(example.form);
    const double compile_us = microseconds(5, [&] { compile_form(example.form); });
    const auto begin = [&] {
      FormMatcher matcher(form, vocabulary);
      for (const char* at = example.before; *at != '\0'; ++at) {
        for (int32_t token = 0;; ++token) {
          const auto bytes = vocabulary->bytes_of(token);
          if (bytes.size() != 1 || bytes[0] != static_cast<uint8_t>(*at)) continue;
          matcher.accept(token);
          break;
        }
      }
      return matcher;
    };
    double new_us = 1e9;
    for (int i = 0; i < 5; ++i) {
      const FormMatcher matcher = begin();
      new_us = std::min(new_us, microseconds(1, [&] { matcher.allowed(bits); }));
    }
    const FormMatcher matcher = begin();
    const double kept_us = microseconds(200, [&] { matcher.allowed(bits); });
    int32_t token = 0;
    while (!matcher.allows(token)) ++token;
    const double accept_us = microseconds(200, [&] { FormMatcher(matcher).accept(token); });
    fmt::print("  {:<24} {:>11.0f} {:>9} {:>11.1f} {:>11.1f} {:>9.2f}\n", example.name, compile_us,
               form->automaton.states(), new_us, kept_us, accept_us);
  }
}

}  // namespace
}  // namespace tessera

int main(int count, char** arguments) {
  using namespace tessera;
  try {
    if (count > 1) {
      measure(vocabulary_of_model(arguments[1]));
    } else {
      measure(made_up_vocabulary(64'000));
      measure(made_up_vocabulary(256'000));
    }
  } catch (const Error& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 1;
  }
}
