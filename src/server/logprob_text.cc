#include "server/logprob_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "server/json_text.h"

namespace tessera {
namespace {

// "token":...,"logprob":...,"bytes":[...]
void append_token(std::string& out, const Engine& engine, int32_t token, float logprob) {
  const std::string bytes = engine.token_bytes(token);
  out += "\"token\":";
  append_json_string(out, bytes);
  out += ",\"logprob\":";
  append_logprob(out, logprob);
  out += ",\"bytes\":[";
  for (size_t i = 0; i < bytes.size(); ++i)
    fmt::format_to(std::back_inserter(out), "{}{}", i == 0 ? "" : ",",
                   static_cast<uint8_t>(bytes[i]));
  out += ']';
}

std::string token_string(const Engine& engine, int32_t token) {
  std::string out;
  append_json_string(out, engine.token_bytes(token));
  return out;
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

void append_chat_logprob(std::string& out, const Engine& engine, const TokenLogprobs& logprobs) {
  out += '{';
  append_token(out, engine, logprobs.token, logprobs.logprob);
  out += ",\"top_logprobs\":[";
  for (size_t i = 0; i < logprobs.top.size(); ++i) {
    out += i == 0 ? "{" : ",{";
    append_token(out, engine, logprobs.top[i].first, logprobs.top[i].second);
    out += '}';
  }
  out += "]}";
}

void CompletionLogprobs::add(const Engine& engine, const TokenLogprobs& logprobs,
                             std::string_view text) {
  comma(tokens_);
  append_json_string(tokens_, engine.token_bytes(logprobs.token));
  comma(logprobs_);
  append_logprob(logprobs_, logprobs.logprob);
  comma(offsets_);
  fmt::format_to(std::back_inserter(offsets_), "{}", characters_);
  characters_ += count_characters(text);

  comma(top_);
  top_ += '{';
  std::vector<std::string> keys;
  for (const auto& [token, logprob] : logprobs.top) {
    // Two tokens may read the same, and an object has each key once: the likelier one counts.
    std::string key = token_string(engine, token);
    if (std::ranges::find(keys, key) != keys.end()) continue;
    if (!keys.empty()) top_ += ',';
    top_ += key;
    top_ += ':';
    append_logprob(top_, logprob);
    keys.push_back(std::move(key));
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
