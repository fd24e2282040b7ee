#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/prompt_tokens.h"

namespace tessera {

/// Tokens of one sequence, and those rows of it whose next token is known.
struct ScoredSequence {
  PromptTokens prompt;        ///< what the model is given
  int64_t first_row = 0;      ///< of the prompt, that is compared
  std::vector<int32_t> next;  ///< the token after each compared row, first_row on
  int picture = -1;           ///< index into the pictures; -1: none
  int64_t first_index = 0;    ///< of its rows among those of all sequences

  int64_t rows() const { return static_cast<int64_t>(next.size()); }
};

/// A text's ids in windows of at most `context` tokens; each begins with `bos` unless that is
/// negative. Every token but a window's first is predicted once.
std::vector<ScoredSequence> text_windows(std::span<const int32_t> ids, int64_t context,
                                         int32_t bos);

/// A conversation's ids, kImageToken for its pictures, of which the rows from the last picture's
/// last one on are compared: without pictures all.
ScoredSequence conversation(std::vector<int32_t> prompt_ids, int64_t rows_per_picture);

/// The sequences' beginnings, until `rows` rows are compared; indices stay.
std::vector<ScoredSequence> first_rows(std::span<const ScoredSequence> sequences, int64_t rows);

/// Numbers the rows of all sequences, from `index` on; returns the one after the last.
int64_t number_rows(std::span<ScoredSequence> sequences, int64_t index);

/// Paths of the folder's pictures (by their names' endings), sorted; at most `most`. Throws Error
/// when there are none.
std::vector<std::string> pictures_in(const std::string& folder, int64_t most);

/// The beginning of a file of text: whole characters, no more than a tokenizer takes at once.
/// Throws Error when there is nothing in it.
std::string read_text(const std::string& file);

/// What is compared when nobody says what: prose in two languages, numbers, code. Our own.
std::string_view built_in_text();

}  // namespace tessera
