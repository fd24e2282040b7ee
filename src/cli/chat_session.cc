#include "cli/chat_session.h"

#include "cli/report.h"
#include "cli/signals.h"
#include "cli/start_engine.h"

namespace tessera {
namespace {

constexpr std::string_view kSpaces = " \t\r\n";

constexpr std::string_view kCommands = R"(/image F   a picture for the next question
/reset     forget the conversation and its pictures
/plan      how the model is split
/help      this list
/quit      leave, as Ctrl-D does
All else is a question; one that begins with / needs a space before it.
Ctrl-C stops an answer.)";

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(kSpaces);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kSpaces) - first + 1);
}

// A file dropped on a terminal comes in quotes.
std::string_view unquote(std::string_view text) {
  const bool quoted = text.size() >= 2 && (text.front() == '\'' || text.front() == '"') &&
                      text.back() == text.front();
  return quoted ? text.substr(1, text.size() - 2) : text;
}

}  // namespace

ChatSession::ChatSession(const ChatCommand& command, Engine& engine, Console& console,
                         Output& output, bool interactive)
    : request_(command.request),
      pictures_(command.pictures),
      engine_(engine),
      console_(console),
      output_(output),
      json_(command.output.json),
      interactive_(interactive) {}

bool ChatSession::take(const std::string& line) {
  const std::string_view text = trim(line);
  if (text.empty()) return true;
  try {
    if (line.starts_with('/')) {
      const size_t space = text.find_first_of(kSpaces);
      return take_command(text.substr(0, space),
                          space == text.npos ? "" : trim(text.substr(space)));
    }
    ask(std::string(text));
  } catch (const Cancelled&) {
    throw;
  } catch (const Error& e) {
    if (!interactive_) throw;
    console_.error(e.what());
    // It would fail the next question, too.
    std::erase_if(pictures_,
                  [&](const Picture& picture) { return picture.name == e.parts().where; });
    say_pictures();
  }
  return output_.intact();
}

bool ChatSession::take_command(std::string_view name, std::string_view rest) {
  if (name == "/quit" || name == "/exit") return false;
  if (name == "/image") {
    add_picture(unquote(rest));
  } else if (name == "/reset") {
    request_.messages.clear();
    pictures_.clear();
    console_.say("A new conversation.");
  } else if (name == "/plan") {
    console_.reply(plan_to_table(engine_.plan()));
    console_.reply(describe_devices(engine_.devices()));
  } else if (name == "/help") {
    console_.reply(kCommands);
  } else {
    throw UsageError({.where = std::string(name),
                      .what = "no such command",
                      .hint = "/help lists them; a question may begin with a space"});
  }
  return true;
}

void ChatSession::add_picture(std::string_view file) {
  if (file.empty()) throw UsageError({.where = "/image", .expected = "a file", .found = "nothing"});
  if (!engine_.takes_pictures())
    throw UsageError({.where = "/image", .what = "this model takes no pictures"});
  const Picture picture{.name = std::string(file)};
  check_pictures({&picture, 1});
  pictures_.push_back(picture);
  say_pictures();
}

void ChatSession::say_pictures() const {
  std::string names;
  for (const Picture& picture : pictures_) names += (names.empty() ? "" : ", ") + picture.name;
  if (!names.empty()) console_.say("The next question is about " + names + ".");
}

void ChatSession::ask(const std::string& question) {
  Request request = request_;
  request.messages.push_back({.text = question, .pictures = pictures_});

  const InterruptScope interrupt;
  if (answered_ && !interactive_ && !json_) output_.write("\n");  // a gap between two answers
  const Engine::OnText stream = [&](std::string_view piece) {
    return output_.write(piece, &interrupt.flag());
  };
  const Answer answer =
      engine_.generate(request, json_ ? Engine::OnText() : stream, &interrupt.flag());
  answered_ = true;
  output_.write(json_ ? to_json_line(answer_to_json(answer, engine_)) : "\n", &interrupt.flag());
  output_.check();
  if (interrupt.flag().cancelled() && !interactive_) throw Cancelled();
  console_.say(describe_answer(answer));

  // What was said before Ctrl-C stays said; a turn without any answer did not happen.
  if (answer.finish_reason == FinishReason::kCancelled && answer.text.empty())
    return say_pictures();
  pictures_.clear();
  request_.messages = std::move(request.messages);
  request_.messages.push_back({.role = Message::Role::kAssistant, .text = answer.text});
}

}  // namespace tessera
