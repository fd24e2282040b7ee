#include "text/own_chat_template.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "tessera/error.h"

namespace tessera {
namespace {

constexpr uint64_t kMaxConfigBytes = 16 << 20, kMaxTemplateBytes = 1 << 20;

using Format = ChatTemplate::Format;
using Style = ChatTemplate::Style;

bool has(std::string_view text, std::string_view mark) {
  return text.find(mark) != std::string_view::npos;
}

// Inside its quotes Jinja takes \n for a line end, as it takes a line end.
std::string with_line_ends(std::string_view jinja) {
  std::string text;
  for (size_t at = 0; at < jinja.size(); ++at) {
    const bool escaped = jinja.substr(at, 2) == "\\n";
    text += escaped ? '\n' : jinja[at];
    if (escaped) ++at;
  }
  return text;
}

// Marks of templates that write more, or something else, than their family.
bool is_stranger(std::string_view text) {
  for (const char* mark : {"strftime", "date_string", "think", "reasoning", "strip(", "replace(",
                           "split(", "capitalize", "upper", "eos_token", "[{", "</s>", "[INST]"})
    if (has(text, mark)) return true;
  return false;
}

// Whether all that looks like "<|...|>" is one of these.
bool only_tokens(std::string_view text, std::initializer_list<std::string_view> known) {
  for (size_t begin = text.find("<|"); begin != text.npos; begin = text.find("<|", begin + 2)) {
    const size_t end = text.find("|>", begin);
    if (end == text.npos) return false;
    const std::string_view token = text.substr(begin, end + 2 - begin);
    if (std::find(known.begin(), known.end(), token) == known.end()) return false;
  }
  return true;
}

// Whether the expression or statement that follows takes the system prompt from the messages.
bool comes_from_messages(std::string_view code) {
  const auto skip = [&](std::string_view what) {
    code.remove_prefix(std::min(code.find_first_not_of(what), code.size()));
  };
  skip("'\" \n\t+-%{}");
  if (code.starts_with("if ")) code.remove_prefix(3);
  return code.starts_with("message");
}

// The system prompt of a conversation that has none of its own: what stands between
// "<|im_start|>system" and "<|im_end|>" in plain words. Empty optional: it cannot be told.
std::optional<std::string> chatml_system(std::string_view text) {
  constexpr std::string_view kBegin = "<|im_start|>system\n", kEnd = "<|im_end|>";
  std::string system;
  for (size_t at = text.find(kBegin); at != text.npos; at = text.find(kBegin, at)) {
    at += kBegin.size();
    const std::string_view words = text.substr(at, text.find(kEnd, at) - at);
    if (words.find_first_of("'\"{}") != words.npos) {
      if (!comes_from_messages(text.substr(at))) return std::nullopt;
    } else {
      if (words.empty() || (!system.empty() && words != system)) return std::nullopt;
      system = words;
    }
  }
  return system;
}

std::optional<Format> recognise(std::string_view text) {
  if (is_stranger(text)) return std::nullopt;
  Format format{
      .trim = has(text, "| trim") || has(text, "|trim"),
      .bos = has(text, "bos_token") ? ChatTemplate::Bos::kAlways : ChatTemplate::Bos::kNever};
  if (has(text, "<|im_start|>assistant\n") && has(text, "<|im_end|>") &&
      only_tokens(text, {"<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>",
                         "<|image_pad|>", "<|video_pad|>"})) {
    const std::optional<std::string> system = chatml_system(text);
    if (!system) return std::nullopt;
    format.style = Style::kChatMl;
    format.system = *system;
    return format;
  }
  if (has(text, "<|start_header_id|>assistant<|end_header_id|>\n\n") && has(text, "<|eot_id|>") &&
      !has(text, "<|start_header_id|>system") &&
      only_tokens(
          text, {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|begin_of_text|>"})) {
    format.style = Style::kLlama3;
    return format;
  }
  return std::nullopt;
}

std::string default_of_several(const JsonReader& config) {
  for (const JsonReader& entry : config.objects("chat_template"))
    if (entry.string("name") == "default") return entry.string("template");
  config.fail("chat_template", "one named \"default\"", "none");
}

}  // namespace

ChatTemplate recognise_chat_template(std::string_view jinja, const std::string& where) {
  const std::optional<Format> format = recognise(with_line_ends(jinja));
  if (format) return ChatTemplate(*format);
  throw Error({.where = where,
               .what = "chat template",
               .expected = "a form that Tessera knows: ChatML or Llama 3's",
               .found = "another",
               .hint = fmt::format("choose one with --conv-mode: {}",
                                   fmt::join(ChatTemplate::names(), ", "))});
}

ChatTemplate own_chat_template(const std::string& model_dir) {
  const std::string file = model_dir + "/chat_template.jinja";
  if (file_exists(file)) return recognise_chat_template(read_file(file, kMaxTemplateBytes), file);
  const std::string path = model_dir + "/tokenizer_config.json";
  if (!file_exists(path)) return ChatTemplate::named("plain");
  const Json json = read_json_file(path, kMaxConfigBytes);
  const JsonReader config(json, path);
  if (!config.has("chat_template")) return ChatTemplate::named("plain");
  const bool several = config.at("chat_template").is_array();
  return recognise_chat_template(
      several ? default_of_several(config) : config.string("chat_template"), path);
}

}  // namespace tessera
