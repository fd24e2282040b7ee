#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

struct ChatMessage {
  enum class Role { kUser, kAssistant };
  Role role = Role::kUser;
  std::string text;
  int images = 0;  ///< pictures that stand before the text; user messages only
};

/// How a picture is spelled in a rendered prompt.
inline constexpr std::string_view kImagePlaceholder = "<image_placeholder>";

/// How a conversation is written as one text that the model continues. A value; immutable.
class ChatTemplate {
 public:
  /// "mm_default" (also "yi_vl"): the template of Yi-VL. "plain": the texts alone, for base models.
  /// Any other name is a UsageError that lists these.
  static ChatTemplate named(std::string_view name);
  static std::vector<std::string> names();

  const std::string& name() const { return name_; }

  /// The prompt cut at its pictures: one chunk more than there are pictures. Only pictures that a
  /// message declares cut it, never a "<image_placeholder>" that a user wrote.
  ///
  /// Texts go in as they are: neither the question nor an earlier answer is stripped here. An
  /// earlier answer that is empty leaves "Assistant:" without a line end, as the reference does.
  ///
  /// Throws UsageError when the conversation is empty, does not end with a user's message, has a
  /// user's message with neither text nor picture, or pictures in an assistant's.
  std::vector<std::string> render_chunks(std::span<const ChatMessage> messages) const;

  /// The chunks as one text, with kImagePlaceholder for each picture: to show, not to tokenise.
  std::string render(std::span<const ChatMessage> messages) const;

  /// Text that ends an answer; never part of it.
  std::span<const std::string> stop_strings() const { return stops_; }

 private:
  enum class Style { kYiVl, kPlain };
  ChatTemplate(std::string name, Style style, std::vector<std::string> stops)
      : name_(std::move(name)), style_(style), stops_(std::move(stops)) {}

  std::string name_;
  Style style_;
  std::vector<std::string> stops_;
};

}  // namespace tessera
