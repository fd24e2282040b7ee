#include "text/incremental_decoder.h"

#include "text/unicode.h"

namespace tessera {

std::string IncrementalDecoder::push(int32_t id) {
  const Fragment fragment = first_ ? tokenizer_->first_fragment(id) : tokenizer_->fragment(id);
  std::string out;
  if (fragment.kind == Fragment::Kind::kHidden) return out;
  first_ = false;
  if (fragment.kind == Fragment::Kind::kBytes) {
    for (const char byte : fragment.bytes) push_byte(byte, out);
  } else {
    push_text(fragment, out);
  }
  any_text_ |= !out.empty();
  return out;
}

std::string IncrementalDecoder::finish() {
  std::string out;
  flush(out);
  *this = IncrementalDecoder(*tokenizer_, place_);
  return out;
}

void IncrementalDecoder::push_text(const Fragment& fragment, std::string& out) {
  flush(out);
  // sentencepiece looks for a leading space until there is text or a space was just dropped.
  if (space_dropped_ || any_text_ || !out.empty()) at_beginning_ = false;
  space_dropped_ = false;
  std::string_view text = fragment.bytes;
  const LeadingSpace rule = tokenizer_->leading_space();
  if (at_beginning_ && fragment.begins_with_space && rule != LeadingSpace::kKeep) {
    text.remove_prefix(1);
    space_dropped_ = rule == LeadingSpace::kDropOne;
  }
  out += text;
}

void IncrementalDecoder::push_byte(char byte, std::string& out) {
  pending_.push_back(byte);
  while (!pending_.empty()) {
    const Utf8Start start = read_utf8(pending_);
    if (start.kind == Utf8Start::Kind::kIncomplete) return;
    size_t bytes = start.bytes;
    if (start.kind == Utf8Start::Kind::kCharacter) {
      out.append(pending_, 0, bytes);
    } else {
      out += kReplacementCharacter;
      if (tokenizer_->replaced() == Replaced::kSequence) bytes = broken_sequence_bytes(pending_);
    }
    pending_.erase(0, bytes);
  }
}

void IncrementalDecoder::flush(std::string& out) {
  // What is left is the beginning of one character.
  const size_t each = tokenizer_->replaced() == Replaced::kSequence ? pending_.size() : 1;
  for (size_t i = 0; i < pending_.size(); i += each) out += kReplacementCharacter;
  pending_.clear();
}

}  // namespace tessera
