#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

struct ChatMessage {
  enum class Role { kSystem, kUser, kAssistant };
  Role role = Role::kUser;
  std::string text;
  int images = 0;  ///< pictures that stand before the text; user messages only
};

/// How a picture is spelled in a rendered prompt.
inline constexpr std::string_view kImagePlaceholder = "<image_placeholder>";

/// A stretch of a prompt: the template's own text, or what somebody wrote.
struct PromptPart {
  std::string text;
  bool own = true;
};
using PromptChunk = std::vector<PromptPart>;

/// How a conversation is written as one text that the model continues. A value; immutable.
class ChatTemplate {
 public:
  enum class Style { kYiVl, kPlain, kChatMl, kLlama3 };
  enum class Bos { kTokenizers, kNever, kAlways };  ///< kTokenizers: where the tokenizer adds one
  struct Format {
    Style style = Style::kPlain;
    std::string system = {};  ///< kChatMl: stands before a conversation; empty: none
    bool trim = false;        ///< messages lose the white space at their ends
    Bos bos = Bos::kTokenizers;
    bool operator==(const Format&) const = default;
  };

  /// "mm_default" (also "yi_vl"): the template of Yi-VL. "plain": the texts alone, for base models.
  /// "chatml": <|im_start|> and <|im_end|> around each message, as Yi's chat models have it;
  /// "smollm2", "qwen2" and "qwen2.5": the same with these models' system prompts. "llama3": the
  /// headers of Llama 3. Any other name is a UsageError that lists these.
  static ChatTemplate named(std::string_view name);
  static std::vector<std::string> names();

  /// Goes by the name of the named template that has this format, else by its style's.
  explicit ChatTemplate(Format format);

  const std::string& name() const { return name_; }
  const Format& format() const { return format_; }

  /// The prompt cut at its pictures: one chunk more than there are pictures. Only pictures that a
  /// message declares cut it, never a "<image_placeholder>" that a user wrote.
  ///
  /// A system message, which may only be the first, stands in the place of the template's own.
  /// Texts go in as they are unless the format trims them. An earlier answer of Yi-VL's that is
  /// empty leaves "Assistant:" without a line end, as the reference does.
  ///
  /// Throws UsageError when the conversation is empty, does not end with a user's message, has a
  /// user's message with neither text nor picture, pictures in another one's, or a system message
  /// behind the first.
  std::vector<PromptChunk> render_chunks(std::span<const ChatMessage> messages) const;

  /// The chunks as one text, with kImagePlaceholder for each picture: to show, not to tokenise.
  std::string render(std::span<const ChatMessage> messages) const;

  /// Text that ends an answer; never part of it.
  std::span<const std::string> stop_strings() const;

  /// The token that ends an answer, beside eos; empty: none.
  std::string_view end_token() const;

  /// The special tokens that the template writes.
  std::span<const std::string_view> special_tokens() const;

 private:
  ChatTemplate(std::string_view name, Format format) : name_(name), format_(std::move(format)) {}

  std::string name_;
  Format format_;
};

}  // namespace tessera
