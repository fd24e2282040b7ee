#include "server/sampling_fields.h"

#include <gtest/gtest.h>

#include "tests/server/refused_field.h"

namespace tessera {
namespace {

Request sampling_of(const Json& json) {
  Request request;
  read_sampling(BodyFields(json, ""), ApiLimits{}, request);
  return request;
}
std::string refused_sampling(const Json& json) {
  return refused_field([&] { sampling_of(json); });
}

TEST(SamplingFields, DefaultsAreOpenAis) {
  const Request request = sampling_of(Json::object());
  EXPECT_EQ(request.temperature, 1);
  EXPECT_EQ(request.top_p, std::nullopt);
  EXPECT_EQ(request.top_k, std::nullopt);
  EXPECT_EQ(request.min_p, 0);
  EXPECT_EQ(request.repetition_penalty, 1);
  EXPECT_EQ(request.frequency_penalty, 0);
  EXPECT_EQ(request.presence_penalty, 0);
  EXPECT_EQ(request.seed, std::nullopt);
  EXPECT_EQ(request.stop_strings, std::nullopt);
  EXPECT_EQ(request.choices, 1);
  EXPECT_FALSE(request.ignore_end);
  EXPECT_EQ(request.beams, 1);
}

TEST(SamplingFields, EachFieldArrives) {
  const Request request = sampling_of({{"temperature", 0},
                                       {"top_p", 0.9},
                                       {"top_k", 40},
                                       {"min_p", 0.05},
                                       {"repetition_penalty", 1.1},
                                       {"frequency_penalty", -2},
                                       {"presence_penalty", 1.5},
                                       {"logit_bias", {{"15", -100}, {"3", 2.5}, {"4", nullptr}}},
                                       {"seed", 7},
                                       {"stop", {"a", "b"}},
                                       {"stop_token_ids", {2, 7}},
                                       {"ignore_eos", true},
                                       {"n", 3},
                                       {"user", "u"}});
  EXPECT_EQ(request.temperature, 0);
  EXPECT_EQ(request.top_p, 0.9);
  EXPECT_EQ(request.top_k, 40);
  EXPECT_EQ(request.min_p, 0.05);
  EXPECT_EQ(request.repetition_penalty, 1.1);
  EXPECT_EQ(request.frequency_penalty, -2);
  EXPECT_EQ(request.presence_penalty, 1.5);
  EXPECT_EQ(request.logit_bias, (std::vector<std::pair<int32_t, float>>{{15, -100.F}, {3, 2.5F}}));
  EXPECT_EQ(request.seed, 7);
  EXPECT_EQ(request.stop_strings, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(request.stop_ids, (std::vector<int32_t>{2, 7}));
  EXPECT_TRUE(request.ignore_end);
  EXPECT_EQ(request.choices, 3);
  EXPECT_EQ(request.user, "u");
}

TEST(SamplingFields, OffIsOff) {
  EXPECT_EQ(sampling_of({{"top_k", -1}}).top_k, std::nullopt);
  EXPECT_EQ(sampling_of({{"top_k", 0}}).top_k, std::nullopt);
  EXPECT_EQ(sampling_of({{"top_p", 1}}).top_p, std::nullopt);
  EXPECT_GT(sampling_of({{"top_p", 0}}).top_p.value(), 0);
  EXPECT_EQ(sampling_of({{"stop", Json::array()}}).stop_strings, std::nullopt);
  EXPECT_EQ(sampling_of({{"repeat_penalty", 1.5}}).repetition_penalty, 1.5);
}

TEST(SamplingFields, SeedsAreAny64Bits) {
  EXPECT_EQ(sampling_of({{"seed", -1}}).seed, ~uint64_t{0});
  EXPECT_EQ(sampling_of({{"seed", ~uint64_t{0}}}).seed, ~uint64_t{0});
  EXPECT_EQ(refused_sampling({{"seed", 0.5}}), "seed");
  EXPECT_EQ(refused_sampling({{"seed", "1"}}), "seed");
}

TEST(SamplingFields, OneStopNeedsNoList) {
  EXPECT_EQ(sampling_of({{"stop", "END"}}).stop_strings, std::vector<std::string>{"END"});
}

TEST(SamplingFields, RefusesWhatIsOutOfRange) {
  for (const auto& [key, value] :
       std::vector<std::pair<const char*, Json>>{{"temperature", 2.1},
                                                 {"temperature", -0.1},
                                                 {"temperature", "hot"},
                                                 {"top_p", 1.1},
                                                 {"top_p", -0.1},
                                                 {"top_k", -2},
                                                 {"min_p", 2},
                                                 {"repetition_penalty", 0},
                                                 {"frequency_penalty", 2.5},
                                                 {"presence_penalty", -3},
                                                 {"n", 0},
                                                 {"n", 17},
                                                 {"n", 1.5},
                                                 {"ignore_eos", 1},
                                                 {"user", 5},
                                                 {"logit_bias", Json::array({1})},
                                                 {"stop", 5},
                                                 {"stop_token_ids", "2"}})
    EXPECT_EQ(refused_sampling({{key, value}}), key) << value;
  EXPECT_EQ(refused_sampling({{"logit_bias", {{"x", 1}}}}), "logit_bias");
  EXPECT_EQ(refused_sampling({{"logit_bias", {{"-1", 1}}}}), "logit_bias");
  EXPECT_EQ(refused_sampling({{"logit_bias", {{"99999999999", 1}}}}), "logit_bias");
  EXPECT_EQ(refused_sampling({{"logit_bias", {{"5", 101}}}}), "logit_bias.5");
  EXPECT_EQ(refused_sampling({{"stop", {"a", 5}}}), "stop[1]");
  EXPECT_EQ(refused_sampling({{"stop", {"a", ""}}}), "stop[1]");
  EXPECT_EQ(refused_sampling({{"stop", std::string(257, 'x')}}), "stop");
  EXPECT_EQ(refused_sampling({{"stop", Json(std::vector<std::string>(17, "x"))}}), "stop");
}

}  // namespace
}  // namespace tessera
