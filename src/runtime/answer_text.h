#pragma once

#include <span>
#include <string>

#include "text/answer_trim.h"
#include "text/incremental_decoder.h"
#include "text/stop_filter.h"

namespace tessera {

/// The text of an answer as its tokens come: whole characters, nothing of a stop string. One
/// thread.
class AnswerText {
 public:
  /// White space at either end.
  enum class Blanks : uint8_t { kStripped, kKept };
  AnswerText(const Tokenizer& tokenizer, std::span<const std::string> stops,
             Blanks blanks = Blanks::kStripped)
      : blanks_(blanks),
        decoder_(tokenizer, blanks == Blanks::kKept ? IncrementalDecoder::Place::kMiddle
                                                    : IncrementalDecoder::Place::kBeginning),
        stop_(stops) {}

  /// What is certain with this token; may be empty.
  std::string push(int32_t token) { return keep(stop_.push(decoder_.push(token))); }
  bool stopped() const { return stop_.stopped(); }
  /// What was held back, at the end.
  std::string finish() {
    const std::string tail = stop_.push(decoder_.finish());
    return keep(tail + stop_.finish());
  }
  const std::string& text() const { return text_; }  ///< all of it so far

 private:
  std::string keep(const std::string& piece) {
    std::string out = blanks_ == Blanks::kKept ? piece : strip_.push(piece);
    text_ += out;
    return out;
  }

  Blanks blanks_;
  IncrementalDecoder decoder_;
  StopFilter stop_;
  StripFilter strip_;
  std::string text_;
};

}  // namespace tessera
