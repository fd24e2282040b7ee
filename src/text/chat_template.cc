#include "text/chat_template.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <optional>

#include "base/json.h"
#include "tessera/error.h"
#include "text/answer_trim.h"

namespace tessera {
namespace {

using Role = ChatMessage::Role;

// Yi's own words (conversation.py of its VL folder); the model was trained with exactly these.
constexpr std::string_view kYiVlSystem =
    "This is a chat between an inquisitive human and an AI assistant. Assume the role of the AI "
    "assistant. Read all the images carefully, and respond to the human's questions with "
    "informative, helpful, detailed and polite answers. "
    "这是一个好奇的人类和一个人工智能助手之间的对话。假设你扮演这个AI助手的角色。"
    "仔细阅读所有的图像，并对人类的问题做出信息丰富、有帮助、详细的和礼貌的回答。";
constexpr std::string_view kYiVlSeparator = "### ";

void check(std::span<const ChatMessage> messages) {
  const auto fail = [](const std::string& what, const std::string& expected,
                       const std::string& found) {
    throw UsageError({.where = "messages", .what = what, .expected = expected, .found = found});
  };
  if (messages.empty()) fail("", "at least one", "none");
  if (messages.back().role == Role::kAssistant) fail("the last one", "a user's", "an assistant's");
  if (messages.back().role == Role::kSystem) fail("the last one", "a user's", "a system message");
  for (size_t i = 0; i < messages.size(); ++i) {
    const ChatMessage& message = messages[i];
    const std::string place = fmt::format("[{}]", i);
    if (message.images < 0) fail(place, "no fewer than 0 pictures", fmt::to_string(message.images));
    if (message.role == Role::kSystem && i > 0)
      fail(place, "a user's or an assistant's", "a system message that is not the first");
    if (message.role != Role::kUser && message.images > 0)
      fail(place, "no picture but from the user", fmt::to_string(message.images));
    if (message.role == Role::kUser && message.text.empty() && message.images == 0)
      fail(place, "a question", "an empty text");
  }
}

// A prompt that is cut wherever a picture stands.
class Chunks {
 public:
  void own(std::string_view text) { add(text, true); }
  void written(std::string_view text) { add(text, false); }
  void images(int count) { chunks_.resize(chunks_.size() + static_cast<size_t>(count)); }
  std::vector<PromptChunk> take() { return std::move(chunks_); }

 private:
  void add(std::string_view text, bool own) {
    PromptChunk& chunk = chunks_.back();
    if (chunk.empty() || chunk.back().own != own) chunk.push_back({"", own});
    chunk.back().text += text;
  }

  std::vector<PromptChunk> chunks_{1};
};

// Takes a system message off the front; its text, where there is one.
std::optional<std::string_view> take_system(std::span<const ChatMessage>& messages) {
  if (messages.front().role != Role::kSystem) return std::nullopt;
  const std::string_view text = messages.front().text;
  messages = messages.subspan(1);
  return text;
}

void render_yi_vl(std::span<const ChatMessage> messages, Chunks& out) {
  if (const auto system = take_system(messages)) {
    out.written(*system);
  } else {
    out.own(kYiVlSystem);
  }
  out.own("\n\n");
  out.own(kYiVlSeparator);
  for (const ChatMessage& message : messages) {
    out.own(message.role == Role::kUser ? "Human:" : "Assistant:");
    if (message.text.empty() && message.images == 0) continue;  // an answer that was empty
    out.own(" ");
    if (message.images > 0) {
      out.images(message.images);
      out.own("\n");
    }
    out.written(message.text);
    out.own("\n");
    out.own(kYiVlSeparator);
  }
  out.own("Assistant:");
}

void render_plain(std::span<const ChatMessage> messages, Chunks& out) {
  for (const ChatMessage& message : messages) {
    out.images(message.images);
    out.written(message.text);
  }
}

// How ChatML and Llama 3 frame a message: `before` role `between` text `after`.
struct Frame {
  std::string_view before, between, after;
};
constexpr Frame kChatMlFrame = {"<|im_start|>", "\n", "<|im_end|>\n"};
constexpr Frame kLlama3Frame = {"<|start_header_id|>", "<|end_header_id|>\n\n", "<|eot_id|>"};

void render_framed(const Frame& frame, const ChatTemplate::Format& format,
                   std::span<const ChatMessage> messages, Chunks& out) {
  const auto begin = [&](std::string_view role) {
    out.own(frame.before);
    out.own(role);
    out.own(frame.between);
  };
  const auto trimmed = [&](std::string_view text) { return format.trim ? strip(text) : text; };
  const std::optional<std::string_view> system = take_system(messages);
  if (system || !format.system.empty()) {
    begin("system");
    if (system) {
      out.written(trimmed(*system));
    } else {
      out.own(format.system);
    }
    out.own(frame.after);
  }
  for (const ChatMessage& message : messages) {
    begin(message.role == Role::kUser ? "user" : "assistant");
    out.images(message.images);
    out.written(trimmed(message.text));
    out.own(frame.after);
  }
  begin("assistant");
}

struct Named {
  std::string_view name;
  ChatTemplate::Format format;
};

const std::vector<Named>& known() {
  using Style = ChatTemplate::Style;
  constexpr auto kNever = ChatTemplate::Bos::kNever;
  static const std::vector<Named> kKnown = {
      {"mm_default", {.style = Style::kYiVl}},
      {"yi_vl", {.style = Style::kYiVl}},
      {"plain", {.style = Style::kPlain}},
      {"chatml", {.style = Style::kChatMl, .bos = kNever}},
      {"smollm2",
       {.style = Style::kChatMl,
        .system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face",
        .bos = kNever}},
      {"qwen2", {.style = Style::kChatMl, .system = "You are a helpful assistant.", .bos = kNever}},
      {"qwen2.5",
       {.style = Style::kChatMl,
        .system = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
        .bos = kNever}},
      {"llama3", {.style = Style::kLlama3, .trim = true, .bos = ChatTemplate::Bos::kAlways}}};
  return kKnown;
}

std::string_view name_of(const ChatTemplate::Format& format) {
  for (const Named& named : known())
    if (named.format == format) return named.name;
  for (const Named& named : known())
    if (named.format.style == format.style) return named.name;
  return "";
}

}  // namespace

std::vector<std::string> ChatTemplate::names() {
  std::vector<std::string> names;
  for (const Named& named : known()) names.emplace_back(named.name);
  return names;
}

ChatTemplate ChatTemplate::named(std::string_view name) {
  for (const Named& named : known())
    if (named.name == name) return ChatTemplate(named.name, named.format);
  throw UsageError({.where = "conversation mode",
                    .expected = fmt::format("one of {}", fmt::join(names(), ", ")),
                    .found = describe_json(Json(std::string(name)))});
}

ChatTemplate::ChatTemplate(Format format) : format_(std::move(format)) {
  name_ = name_of(format_);
}

std::vector<PromptChunk> ChatTemplate::render_chunks(std::span<const ChatMessage> messages) const {
  check(messages);
  Chunks chunks;
  switch (format_.style) {
    case Style::kYiVl:
      render_yi_vl(messages, chunks);
      break;
    case Style::kPlain:
      render_plain(messages, chunks);
      break;
    case Style::kChatMl:
      render_framed(kChatMlFrame, format_, messages, chunks);
      break;
    case Style::kLlama3:
      render_framed(kLlama3Frame, format_, messages, chunks);
      break;
  }
  return chunks.take();
}

std::string ChatTemplate::render(std::span<const ChatMessage> messages) const {
  std::string prompt;
  bool first = true;
  for (const PromptChunk& chunk : render_chunks(messages)) {
    if (!first) prompt += kImagePlaceholder;
    first = false;
    for (const PromptPart& part : chunk) prompt += part.text;
  }
  return prompt;
}

std::span<const std::string> ChatTemplate::stop_strings() const {
  static const std::vector<std::string> kYiVlStops = {"###"};
  if (format_.style == Style::kYiVl) return kYiVlStops;
  return {};
}

std::string_view ChatTemplate::end_token() const {
  switch (format_.style) {
    case Style::kChatMl:
      return "<|im_end|>";
    case Style::kLlama3:
      return "<|eot_id|>";
    default:
      return "";
  }
}

std::span<const std::string_view> ChatTemplate::special_tokens() const {
  static constexpr std::string_view kChatMl[] = {"<|im_start|>", "<|im_end|>"};
  static constexpr std::string_view kLlama3[] = {"<|start_header_id|>", "<|end_header_id|>",
                                                 "<|eot_id|>"};
  switch (format_.style) {
    case Style::kChatMl:
      return kChatMl;
    case Style::kLlama3:
      return kLlama3;
    default:
      return {};
  }
}

}  // namespace tessera
