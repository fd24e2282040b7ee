// The demo model answers its evaluation set as the oracle does, on 1, 2, 3 and 5 devices.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <sstream>

#include "base/file.h"
#include "base/json.h"
#include "tessera/engine.h"

namespace tessera {
namespace {

struct Question {
  std::string id, kind, answer;  // the right answer
  Request request;
  std::string oracle_text;
  std::vector<int32_t> oracle_tokens;
};

std::vector<Json> read_lines(const std::string& path) {
  std::istringstream lines(read_file(path, 16 << 20));
  std::vector<Json> out;
  for (std::string line; std::getline(lines, line);) out.push_back(parse_json(line, path));
  return out;
}

std::vector<Question> read_questions() {
  const std::string dir = std::string(TESSERA_DEMO_DIR) + "/eval/";
  const std::vector<Json> questions = read_lines(dir + "questions.jsonl");
  const std::vector<Json> oracle = read_lines(dir + "oracle.jsonl");
  std::vector<Question> out;
  for (size_t i = 0; i < questions.size(); ++i) {
    const Json& from = questions[i];
    EXPECT_EQ(from.at("id"), oracle.at(i).at("id"));
    Question& to = out.emplace_back(Question{.id = from.at("id"),
                                             .kind = from.at("kind"),
                                             .answer = from.at("answer"),
                                             .oracle_text = oracle[i].at("text"),
                                             .oracle_tokens = oracle[i].at("token_ids")});
    to.request.temperature = 0;
    to.request.max_new_tokens = 64;
    for (const Json& turn : from.at("history")) {
      to.request.messages.push_back({.role = Message::Role::kUser, .text = turn.at(0)});
      to.request.messages.push_back({.role = Message::Role::kAssistant, .text = turn.at(1)});
    }
    to.request.messages.push_back({.role = Message::Role::kUser, .text = from.at("question")});
    if (!from.at("image").is_null())
      to.request.messages.front().image_files = {dir + "pictures/" +
                                                 from.at("image").get<std::string>()};
  }
  return out;
}

class DemoTest : public testing::TestWithParam<const char*> {};

TEST_P(DemoTest, AnswersAsTheOracleDoesInsideItsBudgets) {
  const auto engine =
      Engine::create({.model_path = TESSERA_DEMO_DIR, .devices = GetParam(), .precision = "f32"});
  std::map<std::string, std::pair<int, int>> right;  // by kind: right, asked
  const std::vector<Question> questions = read_questions();
  ASSERT_GE(questions.size(), 600U);
  int same_tokens = 0, right_by_oracle = 0, right_here = 0;
  for (const Question& question : questions) {
    const Answer answer = engine->generate(question.request);
    same_tokens += answer.token_ids == question.oracle_tokens ? 1 : 0;
    right_by_oracle += question.oracle_text == question.answer ? 1 : 0;
    right_here += answer.text == question.answer ? 1 : 0;
    ++right[question.kind].second;
    right[question.kind].first += answer.text == question.answer ? 1 : 0;
  }
  // Two f32 computations may part where two tokens are level to 1e-5; that is rare, and never
  // costs more than an answer or two.
  EXPECT_GE(same_tokens, static_cast<int>(questions.size()) - 2);
  EXPECT_NEAR(right_here, right_by_oracle, 2);
  for (const auto& [kind, count] : right)
    std::cout << fmt::format("{}: {} of {} right\n", kind, count.first, count.second);
  for (const DeviceReport& device : engine->devices()) {
    EXPECT_EQ(device.measured_peak_bytes, device.planned_bytes) << device.name;
    EXPECT_LE(device.measured_peak_bytes, device.budget_bytes) << device.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, DemoTest,
                         testing::Values("cpu@24MiB", "2xcpu@12MiB", "3xcpu@7MiB", "5xcpu@5MiB"),
                         [](const auto& test) {
                           const std::string name = test.param;
                           return name[0] == 'c' ? "One" : "Devices" + name.substr(0, 1);
                         });

}  // namespace
}  // namespace tessera
