#include "server/chat_message.h"

#include <fmt/format.h>

#include "server/picture_url.h"

namespace tessera {
namespace {

Message::Role read_role(const BodyFields& message) {
  message.at("role");
  const std::string role = message.string("role", "");
  if (role == "system" || role == "developer") return Message::Role::kSystem;
  if (role == "user") return Message::Role::kUser;
  if (role == "assistant") return Message::Role::kAssistant;
  if (role == "tool" || role == "function")
    throw not_supported(message.path("role"), "this server calls no tools", role);
  throw wrong_field(message.path("role"), "system, developer, user or assistant",
                    describe_json(message.at("role")));
}

void take_text(const std::string& text, const std::string& path, const ApiLimits& limits,
               MessageBudget& budget) {
  if (text.size() > budget.text_bytes)
    throw wrong_field(
        path, fmt::format("at most {} of text in one request", format_bytes(limits.text_bytes)),
        "more");
  budget.text_bytes -= text.size();
}

class PartReader {
 public:
  PartReader(const ApiLimits& limits, MessageBudget& budget, Message& message)
      : limits_(limits), budget_(budget), message_(message) {}

  void read(const BodyFields& part) {
    part.at("type");
    const std::string type = part.string("type", "");
    if (type == "text") {
      read_text(part);
    } else if (type == "image_url") {
      read_picture(part);
    } else if (type == "input_audio" || type == "file" || type == "video_url" ||
               type == "refusal") {
      throw not_supported(part.path("type"), "send texts and pictures", type);
    } else {
      throw wrong_field(part.path("type"), "text or image_url", describe_json(part.at("type")));
    }
  }

 private:
  void read_text(const BodyFields& part) {
    part.at("text");
    const std::string text = part.string("text", "");
    take_text(text, part.path("text"), limits_, budget_);
    if (!first_text_) message_.text += '\n';
    first_text_ = false;
    message_.text += text;
  }

  void read_picture(const BodyFields& part) {
    const std::string path = part.path("image_url");
    if (message_.role != Message::Role::kUser)
      throw wrong_field(path, "pictures in a user's message", "one in another");
    if (budget_.pictures == 0)
      throw wrong_field(path, fmt::format("at most {} pictures in one request", limits_.pictures),
                        "more");
    --budget_.pictures;
    const BodyFields url(part.at("image_url"), path);
    const std::string detail = url.string("detail", "auto");
    if (detail != "auto" && detail != "low" && detail != "high" && detail != "original")
      throw wrong_field(url.path("detail"), "auto, low or high", detail.substr(0, 40));
    const Json& text = url.at("url");
    if (!text.is_string()) throw wrong_field(url.path("url"), "a string", describe_json(text));
    message_.pictures.push_back(
        picture_of_url(text.get_ref<const std::string&>(), url.path("url"), limits_.picture_bytes));
  }

  const ApiLimits& limits_;
  MessageBudget& budget_;
  Message& message_;
  bool first_text_ = true;
};

}  // namespace

Message read_chat_message(const BodyFields& message, const std::string& path,
                          const ApiLimits& limits, MessageBudget& budget) {
  message.refuse({"tool_calls", "function_call", "audio"}, "this server calls no tools");
  Message out{.role = read_role(message)};
  const std::string content_path = path + ".content";
  const Json& content = message.at("content");
  if (content.is_string()) {
    out.text = content.get<std::string>();
    take_text(out.text, content_path, limits, budget);
    return out;
  }
  if (!content.is_array() || content.empty())
    throw wrong_field(content_path, "a string or a list of parts", describe_json(content));
  PartReader parts(limits, budget, out);
  size_t i = 0;
  for (const Json& part : content) parts.read(BodyFields(part, element_path(content_path, i++)));
  return out;
}

}  // namespace tessera
