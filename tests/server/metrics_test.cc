#include "server/metrics.h"

#include <map>
#include <sstream>

#include "tests/server/api_fixture.h"

namespace tessera {
namespace {

using MetricsTest = ApiFixture;

// Series -> value, by the rules of the text format; complains about whatever breaks them.
std::map<std::string, double> scrape(const std::string& text) {
  std::map<std::string, double> series;
  std::map<std::string, std::string> types;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# HELP ")) continue;
    if (line.starts_with("# TYPE ")) {
      const std::string rest = line.substr(7);
      const size_t space = rest.find(' ');
      EXPECT_TRUE(types.emplace(rest.substr(0, space), rest.substr(space + 1)).second) << line;
      continue;
    }
    const size_t space = line.rfind(' ');
    const std::string name = line.substr(0, line.find_first_of("{ "));
    bool typed = types.contains(name);
    for (const char* suffix : {"_bucket", "_sum", "_count"})
      if (name.ends_with(suffix))
        typed |= types.contains(name.substr(0, name.size() - std::string(suffix).size()));
    EXPECT_TRUE(typed) << line;
    EXPECT_TRUE(series.emplace(line.substr(0, space), std::stod(line.substr(space + 1))).second)
        << line;
  }
  return series;
}

TEST_F(MetricsTest, ShowsTheEngineAtThisMoment) {
  const auto exchange = get("/metrics");
  EXPECT_TRUE(exchange->response().content_type.starts_with("text/plain; version=0.0.4"));
  const auto series = scrape(exchange->response().body);
  EXPECT_EQ(series.at("tessera_ready"), 1);
  EXPECT_EQ(series.at("tessera_kv_blocks{use=\"running\"}"), 10);
  EXPECT_EQ(series.at("tessera_kv_blocks{use=\"cached\"}"), 30);
  EXPECT_EQ(series.at("tessera_kv_blocks{use=\"free\"}"), 60);
  EXPECT_EQ(series.at("tessera_batch_rows{kind=\"decode\"}"), 2);
  EXPECT_EQ(series.at("tessera_batch_rows{kind=\"prefill\"}"), 5);
  EXPECT_EQ(series.at("tessera_pictures_total{from=\"image_cache\"}"), 1);
  EXPECT_EQ(series.at("tessera_pictures_total{from=\"computed\"}"), 2);
  EXPECT_EQ(series.at("tessera_device_busy_seconds_total{device=\"cpu:0\"}"), 3.5);
  EXPECT_EQ(series.at("tessera_device_link_bytes_total{device=\"cpu:0\"}"), 1024);
  EXPECT_EQ(series.at("tessera_device_decode_planned_seconds_total{device=\"cpu:0\"}"), 0.5);
  EXPECT_EQ(series.at("tessera_device_decode_measured_seconds_total{device=\"cpu:0\"}"), 0.625);
  EXPECT_EQ(series.at("tessera_device_planned_bytes{device=\"cpu:1\"}"), 2000);
  EXPECT_EQ(series.at("tessera_device_layers{device=\"cpu:1\"}"), 4);
  EXPECT_EQ(series.at("tessera_model_info{model=\"fake-model\"}"), 1);
}

TEST_F(MetricsTest, CountsRequestsByOutcome) {
  answered_chat();
  answered_chat({{"max_tokens", 2}, {"n", 2}});
  post(kChat, chat({{"n", 0}}));
  post(kChat, chat({{"model", "x"}}));
  post(kChat, std::string("{"));
  post(kChat, chat())->leave();
  engine.finish();
  engine.fails_with = ErrorParts{.what = "broke"};
  answered_chat();
  engine.on_submit = [](const Request&) { throw Busy({.what = "full"}, 1); };
  post(kChat, chat());
  engine.why_not_ready = "x";
  post(kChat, chat());

  const auto series = scrape(get("/metrics")->response().body);
  const auto count = [&](const std::string& outcome) {
    return series.at("tessera_requests_total{outcome=\"" + outcome + "\"}");
  };
  EXPECT_EQ(count("stop"), 1);
  EXPECT_EQ(count("length"), 1);
  EXPECT_EQ(count("invalid"), 2);
  EXPECT_EQ(count("unknown_model"), 1);
  EXPECT_EQ(count("cancelled"), 1);
  EXPECT_EQ(count("failed"), 1);
  EXPECT_EQ(count("refused"), 1);
  EXPECT_EQ(count("unavailable"), 1);
}

TEST_F(MetricsTest, TimesEveryTokenButTheFirstOfAChoice) {
  answered_chat({{"max_tokens", 5}, {"n", 2}, {"stream", true}});
  answered_chat({{"max_tokens", 3}});
  const auto series = scrape(get("/metrics")->response().body);
  EXPECT_EQ(series.at("tessera_inter_token_seconds_count"), 2 * 4 + 2);
  EXPECT_EQ(series.at("tessera_token_delivery_seconds_count"), 2 * 5);  // of streams alone
  EXPECT_EQ(series.at("tessera_token_delivery_seconds_bucket{le=\"1\"}"), 2 * 5);
  EXPECT_EQ(series.at("tessera_time_to_first_token_seconds_count"), 2);
  EXPECT_EQ(series.at("tessera_request_seconds_count"), 2);
  EXPECT_EQ(series.at("tessera_queue_seconds_sum"), 0.002);
  EXPECT_EQ(series.at("tessera_request_new_tokens_sum"), 10 + 3);
}

}  // namespace
}  // namespace tessera
