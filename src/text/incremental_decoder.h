#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "text/tokenizer.h"

namespace tessera {

/// Turns ids into text one by one, as they are generated. Whatever push and finish return is valid
/// UTF-8, and all of it together is tokenizer.decode(all ids). Each id is looked at once.
///
/// Bytes that belong to no character become U+FFFD, as soon as no later byte can save them; for how
/// many of them one stands is the tokenizer's. The tokenizer must outlive the decoder. One thread.
class IncrementalDecoder {
 public:
  /// What the ids stand in: the beginning of a text may lose a space, as decode() does it.
  enum class Place : uint8_t { kBeginning, kMiddle };
  explicit IncrementalDecoder(const Tokenizer& tokenizer, Place place = Place::kBeginning)
      : tokenizer_(&tokenizer),
        place_(place),
        first_(place == Place::kBeginning),
        at_beginning_(place == Place::kBeginning) {}

  /// The text that is certain with this id; empty while a character is incomplete.
  std::string push(int32_t id);

  /// The end of the answer: an incomplete character comes out as U+FFFD. Then starts anew.
  std::string finish();

 private:
  void push_text(const Fragment& fragment, std::string& out);
  void push_byte(char byte, std::string& out);
  void flush(std::string& out);

  const Tokenizer* tokenizer_;
  Place place_;
  std::string pending_;         // the beginning of a character, at most 3 bytes
  bool first_;                  // no fragment so far but hidden ones
  bool any_text_ = false;       // something was given out
  bool space_dropped_ = false;  // by the last fragment
  bool at_beginning_;           // a leading space may still be dropped
};

}  // namespace tessera
