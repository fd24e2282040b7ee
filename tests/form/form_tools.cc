#include "tests/form/form_tools.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "base/json.h"
#include "text/tokenizer.h"

namespace tessera {
namespace {

FormMatcher form_of(AnswerForm::Kind kind, const std::string& definition,
                    const Vocabulary& vocabulary) {
  return FormMatcher(compile_form({.kind = kind, .definition = definition}), vocabulary);
}

int32_t token_of(const FormVocabulary& vocabulary, char byte) {
  for (int32_t token = 0; token < static_cast<int32_t>(vocabulary.size()); ++token) {
    const auto bytes = vocabulary.bytes_of(token);
    if (bytes.size() == 1 && bytes[0] == static_cast<uint8_t>(byte)) return token;
  }
  return -1;
}

// Where an answer ends soonest: ends before beginnings. In a string, where both brackets may come,
// it is the quote that ends something.
int32_t closing_token(const FormMatcher& matcher, const std::vector<int32_t>& tokens,
                      std::mt19937& random) {
  const FormVocabulary& vocabulary = matcher.masks().vocabulary();
  const bool in_string =
      matcher.allows(token_of(vocabulary, '}')) && matcher.allows(token_of(vocabulary, ']'));
  const std::string_view first = in_string ? "\"" : "}]\":0";
  int32_t best = -1;
  size_t best_place = first.size();
  for (const int32_t token : tokens) {
    const auto bytes = vocabulary.bytes_of(token);
    if (bytes.size() != 1) continue;
    const size_t place = std::min(first.find(static_cast<char>(bytes[0])), first.size());
    if (place < best_place) {
      best = token;
      best_place = place;
    }
  }
  return best >= 0 ? best : tokens[random() % tokens.size()];
}

}  // namespace

Vocabulary toy_vocabulary() {
  std::vector<std::string> tokens = {"</s>", ""};
  for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
  for (const char* piece :
       {"{\"",        "\":",      "\": ",     "\",",  "\", \"", "\"}",      "\"]",     "},",
        "}}",         "}]",       "]]",       "[[",   "[{\"",   "{}",       "[]",      "{ ",
        " }",         ", ",       ",\n",      ":\"",  ": \"",   "true",     "false",   "null",
        "true,",      "null}",    "12",       "3.14", "e5",     "-1",       "-0",      ".5",
        "00",         "1,",       "1}",       "\\\"", "\\n",    "\\u",      "\\ud83d", "\\ude00",
        "d83d\\ude0", "00e9",     "ab",       "abc",  "name",   "\"name\"", "\"a\":1", " ",
        "  ",         "        ", "\n",       "\n  ", "\t",     "é",        "天",      "天地",
        "😀",          "\xF0\x9F", "\x98\x80", "\xC3", "\xA9\"", "\xE5\xA4", "a\xC3",   "ab",
        "2024-",      "-02-29",   "a@b.",     "cd",   "foo",    "bar"})
    tokens.emplace_back(piece);
  tokens.emplace_back("");
  const std::vector<int32_t> ends = {kToyEnd};
  return std::make_shared<const FormVocabulary>(tokens, ends);
}

Vocabulary vocabulary_of(const std::string& model_dir) {
  const auto tokenizer = Tokenizer::open(model_dir);
  std::vector<std::string> tokens;
  for (int32_t id = 0; id < tokenizer->vocab_size(); ++id)
    tokens.emplace_back(tokenizer->fragment(id).bytes);
  const std::vector<int32_t> ends = {tokenizer->eos_id()};
  return std::make_shared<const FormVocabulary>(tokens, ends);
}

FormMatcher json_form(const Vocabulary& vocabulary) {
  return form_of(AnswerForm::Kind::kJson, "", vocabulary);
}
FormMatcher schema_form(const std::string& schema, const Vocabulary& vocabulary) {
  return form_of(AnswerForm::Kind::kJsonSchema, schema, vocabulary);
}
FormMatcher regex_form(const std::string& pattern, const Vocabulary& vocabulary) {
  return form_of(AnswerForm::Kind::kRegex, pattern, vocabulary);
}

bool takes(FormMatcher matcher, std::string_view text) {
  // In toy_vocabulary() bytes are tokens 2 to 257.
  for (const char c : text) {
    const int32_t token = 2 + static_cast<uint8_t>(c);
    if (!matcher.allows(token)) return false;
    matcher.accept(token);
  }
  return matcher.complete();
}

bool takes_as_tokens(FormMatcher matcher, std::string_view text, std::mt19937& random) {
  const FormVocabulary& vocabulary = matcher.masks().vocabulary();
  while (!text.empty()) {
    std::vector<int32_t> fitting;
    for (int32_t token = 0; token < static_cast<int32_t>(vocabulary.size()); ++token) {
      const auto bytes = vocabulary.bytes_of(token);
      if (!bytes.empty() && text.size() >= bytes.size() &&
          std::equal(bytes.begin(), bytes.end(), text.begin(),
                     [](uint8_t a, char b) { return a == static_cast<uint8_t>(b); }))
        fitting.push_back(token);
    }
    const int32_t token = fitting[random() % fitting.size()];
    if (!matcher.allows(token)) return false;
    matcher.accept(token);
    text.remove_prefix(vocabulary.bytes_of(token).size());
  }
  return matcher.complete();
}

std::vector<int32_t> allowed_tokens(const FormMatcher& matcher) {
  const FormVocabulary& vocabulary = matcher.masks().vocabulary();
  std::vector<uint32_t> bits(vocabulary.mask_words(), 0xA5A5A5A5);
  matcher.allowed(bits);
  std::vector<int32_t> tokens;
  for (int32_t token = 0; token < static_cast<int32_t>(vocabulary.size()); ++token)
    if ((bits[token / 32] >> (token % 32) & 1) != 0) tokens.push_back(token);
  return tokens;
}

std::string random_answer(FormMatcher matcher, std::mt19937& random, int steps) {
  const FormVocabulary& vocabulary = matcher.masks().vocabulary();
  std::string text;
  constexpr int kMostSteps = 40'000;
  for (int step = 0; step < kMostSteps; ++step) {
    const std::vector<int32_t> tokens = allowed_tokens(matcher);
    if (tokens.empty()) {
      ADD_FAILURE() << "a dead end behind " << text;
      return text;
    }
    const bool finished = matcher.complete() && tokens.size() == vocabulary.end_tokens().size();
    EXPECT_EQ(matcher.finished(), finished) << text;
    const bool closing = step >= steps;
    int32_t token =
        closing ? closing_token(matcher, tokens, random) : tokens[random() % tokens.size()];
    if (closing && matcher.complete()) token = vocabulary.end_tokens()[0];
    matcher.accept(token);
    if (vocabulary.is_end(token)) return text;
    for (const uint8_t byte : vocabulary.bytes_of(token)) text += static_cast<char>(byte);
  }
  ADD_FAILURE() << "no end comes behind " << text.substr(0, 1000);
  return text;
}

void record_answer(const std::string& schema, const std::string& answer) {
  const char* file = std::getenv("TESSERA_WRITE_ANSWERS");
  if (file == nullptr) return;
  std::ofstream(file, std::ios::app)
      << Json{{"schema", Json::parse(schema)}, {"answer", answer}}.dump() << '\n';
}

}  // namespace tessera
