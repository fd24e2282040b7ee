#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "form/form_matcher.h"

namespace tessera {

using Vocabulary = std::shared_ptr<const FormVocabulary>;

inline constexpr int32_t kToyEnd = 0;  ///< of toy_vocabulary()

/// All bytes, pieces of JSON that cross its parts, halves of characters, tokens without bytes, one
/// piece twice; token 0 ends.
Vocabulary toy_vocabulary();
/// Of a tokenizer in a checkpoint's layout; its eos ends.
Vocabulary vocabulary_of(const std::string& model_dir);

FormMatcher json_form(const Vocabulary& vocabulary);
FormMatcher schema_form(const std::string& schema, const Vocabulary& vocabulary);
FormMatcher regex_form(const std::string& pattern, const Vocabulary& vocabulary);

/// Whether the form takes the text, byte by byte, as a whole answer.
bool takes(FormMatcher matcher, std::string_view text);
/// The same with tokens drawn at random among those that the text goes on with.
bool takes_as_tokens(FormMatcher matcher, std::string_view text, std::mt19937& random);

std::vector<int32_t> allowed_tokens(const FormMatcher& matcher);

/// An answer put together from tokens that are allowed, drawn at random; after `steps` of them,
/// those that bring it to an end. Fails the test when there is none to go on with, or no end comes.
std::string random_answer(FormMatcher matcher, std::mt19937& random, int steps);

/// Appends the two to the file that TESSERA_WRITE_ANSWERS names, if any, for
/// tools/forms_by_jsonschema.py.
void record_answer(const std::string& schema, const std::string& answer);

}  // namespace tessera
