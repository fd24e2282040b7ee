#include "text/chat_template.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/json.h"
#include "tessera/error.h"

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
  if (messages.back().role != Role::kUser) fail("the last one", "a user's", "an assistant's");
  for (size_t i = 0; i < messages.size(); ++i) {
    const ChatMessage& message = messages[i];
    const std::string place = fmt::format("[{}]", i);
    if (message.images < 0) fail(place, "no fewer than 0 pictures", fmt::to_string(message.images));
    if (message.role == Role::kAssistant && message.images > 0)
      fail(place, "no picture from the assistant", fmt::to_string(message.images));
    if (message.role == Role::kUser && message.text.empty() && message.images == 0)
      fail(place, "a question", "an empty text");
  }
}

// Text that is cut wherever a picture stands.
class Chunks {
 public:
  void text(std::string_view text) { chunks_.back() += text; }
  void images(int count) { chunks_.resize(chunks_.size() + static_cast<size_t>(count)); }
  std::vector<std::string> take() { return std::move(chunks_); }

 private:
  std::vector<std::string> chunks_{""};
};

void render_yi_vl(std::span<const ChatMessage> messages, Chunks& out) {
  out.text(kYiVlSystem);
  out.text("\n\n");
  out.text(kYiVlSeparator);
  for (const ChatMessage& message : messages) {
    out.text(message.role == Role::kUser ? "Human:" : "Assistant:");
    if (message.text.empty() && message.images == 0) continue;  // an answer that was empty
    out.text(" ");
    if (message.images > 0) {
      out.images(message.images);
      out.text("\n");
    }
    out.text(message.text);
    out.text("\n");
    out.text(kYiVlSeparator);
  }
  out.text("Assistant:");
}

void render_plain(std::span<const ChatMessage> messages, Chunks& out) {
  for (const ChatMessage& message : messages) {
    out.images(message.images);
    out.text(message.text);
  }
}

}  // namespace

std::vector<std::string> ChatTemplate::names() {
  return {"mm_default", "yi_vl", "plain"};
}

ChatTemplate ChatTemplate::named(std::string_view name) {
  if (name == "mm_default" || name == "yi_vl")
    return ChatTemplate(std::string(name), Style::kYiVl, {"###"});
  if (name == "plain") return ChatTemplate(std::string(name), Style::kPlain, {});
  throw UsageError({.where = "conversation mode",
                    .expected = fmt::format("one of {}", fmt::join(names(), ", ")),
                    .found = describe_json(Json(std::string(name)))});
}

std::vector<std::string> ChatTemplate::render_chunks(std::span<const ChatMessage> messages) const {
  check(messages);
  Chunks chunks;
  switch (style_) {
    case Style::kYiVl:
      render_yi_vl(messages, chunks);
      break;
    case Style::kPlain:
      render_plain(messages, chunks);
      break;
  }
  return chunks.take();
}

std::string ChatTemplate::render(std::span<const ChatMessage> messages) const {
  return fmt::format("{}", fmt::join(render_chunks(messages), kImagePlaceholder));
}

}  // namespace tessera
