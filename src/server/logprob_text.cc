#include "server/logprob_text.h"

#include <fmt/format.h>

#include <iterator>

#include "server/json_text.h"

namespace tessera {
namespace {

// "token":...,"logprob":...,"bytes":[...]
void append_token(std::string& out, TokenTexts& texts, int32_t token, float logprob) {
  const TokenTexts::Text& text = texts.of(token);
  out += "\"token\":";
  append_json_string(out, text.text);
  out += ",\"logprob\":";
  append_logprob(out, logprob);
  out += ",\"bytes\":";
  if (!text.whole) {
    out += "null";
    return;
  }
  out += '[';
  for (size_t i = 0; i < text.text.size(); ++i)
    fmt::format_to(std::back_inserter(out), "{}{}", i == 0 ? "" : ",",
                   static_cast<uint8_t>(text.text[i]));
  out += ']';
}

void comma(std::string& list) {
  if (!list.empty()) list += ',';
}

size_t count_characters(std::string_view text) {
  size_t count = 0;
  for (const char c : text) count += (static_cast<uint8_t>(c) & 0xc0) != 0x80;
  return count;
}

}  // namespace

void append_chat_logprob(std::string& out, TokenTexts& texts, const TokenLogprobs& logprobs) {
  out += '{';
  append_token(out, texts, logprobs.token, logprobs.logprob);
  out += ",\"top_logprobs\":[";
  for (size_t i = 0; i < logprobs.top.size(); ++i) {
    out += i == 0 ? "{" : ",{";
    append_token(out, texts, logprobs.top[i].first, logprobs.top[i].second);
    out += '}';
  }
  out += "]}";
}

void CompletionLogprobs::add(TokenTexts& texts, const TokenLogprobs& logprobs,
                             std::string_view text) {
  comma(tokens_);
  append_json_string(tokens_, texts.of(logprobs.token).text);
  comma(logprobs_);
  append_logprob(logprobs_, logprobs.logprob);
  comma(offsets_);
  fmt::format_to(std::back_inserter(offsets_), "{}", characters_);
  characters_ += count_characters(text);

  comma(top_);
  top_ += '{';
  bool first = true;
  for (size_t i = 0; i < logprobs.top.size(); ++i) {
    // Two tokens may have the same text, and an object has each key once: the likelier one counts.
    const std::string& key = texts.of(logprobs.top[i].first).text;
    bool seen = false;
    for (size_t j = 0; j < i && !seen; ++j) seen = texts.of(logprobs.top[j].first).text == key;
    if (seen) continue;
    if (!first) top_ += ',';
    first = false;
    append_json_string(top_, key);
    top_ += ':';
    append_logprob(top_, logprobs.top[i].second);
  }
  top_ += '}';
}

void CompletionLogprobs::take(std::string& out) {
  fmt::format_to(std::back_inserter(out),
                 "{{\"tokens\":[{}],\"token_logprobs\":[{}],\"top_logprobs\":[{}],"
                 "\"text_offset\":[{}]}}",
                 tokens_, logprobs_, top_, offsets_);
  tokens_.clear();
  logprobs_.clear();
  top_.clear();
  offsets_.clear();
}

}  // namespace tessera
