#include "tests/runtime/goldens.h"

#include <algorithm>
#include <iterator>
#include <span>

#include "base/file.h"
#include "base/json.h"
#include "checkpoint/safetensors.h"

namespace tessera {

std::string golden_dir(const std::string& checkpoint) {
  return std::string(TESSERA_GOLDEN_DIR) + "/" + checkpoint;
}

std::vector<GoldenCase> read_goldens(const std::string& checkpoint) {
  const std::string dir = golden_dir(checkpoint) + "/golden";
  const Json json = read_json_file(dir + "/goldens.json", 16 << 20);
  std::vector<GoldenCase> cases;
  for (const Json& from : json.at("cases")) {
    GoldenCase golden{.name = from.at("name"),
                      .tensors = dir + "/" + from.at("tensors").get<std::string>(),
                      .max_new_tokens = from.at("max_new_tokens")};
    for (const Json& picture : from.at("pictures"))
      golden.pictures.push_back(golden_dir("pictures") + "/" + picture.get<std::string>());
    for (const Json& turn : from.at("turns")) {
      GoldenTurn& to = golden.turns.emplace_back(GoldenTurn{
          .question = turn.at("question"),
          .prompt = turn.at("prompt"),
          .text = turn.at("text"),
          .finish_reason = turn.at("finish_reason"),
          .prompt_ids = turn.at("prompt_ids"),
          .token_ids = turn.at("token_ids"),
          .prompt_tokens = turn.at("prompt_tokens"),
          .first_logits = turn.at("first_logits").get<std::vector<std::pair<int32_t, float>>>()});
      if (!turn.contains("beam")) continue;
      to.beams = turn.at("beam").at("beams");
      to.beam_token_ids = turn.at("beam").at("token_ids").get<std::vector<int32_t>>();
      to.beam_score = turn.at("beam").at("score");
    }
    // The oracle reads BMP, Tessera refuses it: no packaged library decodes it.
    const auto bmp = [](const std::string& picture) { return picture.ends_with(".bmp"); };
    if (std::ranges::none_of(golden.pictures, bmp)) cases.push_back(std::move(golden));
  }
  return cases;
}

std::map<std::string, std::vector<float>> read_seams(const GoldenCase& golden) {
  std::map<std::string, std::vector<float>> seams;
  const File file = File::open(golden.tensors);
  for (const TensorEntry& entry : read_safetensors(golden.tensors).entries) {
    std::vector<float>& values = seams[entry.name];
    values.resize(entry.bytes / sizeof(float));
    file.read_at(entry.offset, std::as_writable_bytes(std::span(values)));
  }
  return seams;
}

namespace {

// Cases whose earlier answers the oracle was given, instead of its own: tools/oracle/cases.py.
std::string earlier_reply(const GoldenCase& golden, size_t turn) {
  if (golden.name == "empty_reply") return "";
  if (golden.name == "given_reply") return "A cat \uFFFD 猫";
  return golden.turns[turn].text;
}

}  // namespace

Request request_of(const GoldenCase& golden, size_t turn) {
  Request request{.messages = {}, .temperature = 0, .max_new_tokens = golden.max_new_tokens};
  for (size_t i = 0; i <= turn; ++i) {
    request.messages.push_back({.role = Message::Role::kUser, .text = golden.turns[i].question});
    if (i == 0)
      for (const std::string& file : golden.pictures)
        request.messages.back().pictures.push_back({.name = file});
    if (i < turn)
      request.messages.push_back(
          {.role = Message::Role::kAssistant, .text = earlier_reply(golden, i)});
  }
  return request;
}

}  // namespace tessera
