#include "server/event_feed.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "tests/server/api_fixture.h"

namespace tessera {
namespace {

std::shared_ptr<FakeExchange> nobody() {
  return std::make_shared<FakeExchange>(HttpRequest{});
}

TEST(EventFeed, AsksOnceForAllWhoListen) {
  std::atomic<int> asked{0};
  EventFeed feed([&] { return std::to_string(++asked); }, 0.001, 8);
  const auto a = nobody(), b = nobody();
  feed.add(a);
  feed.add(b);
  a->wait_for_pieces(5);
  b->wait_for_pieces(5);
  a->leave();
  b->leave();
  // Each heard of consecutive moments, and of the same ones.
  const auto events = b->events();
  for (size_t i = 1; i < events.size(); ++i)
    EXPECT_EQ(std::stoi(events[i]), std::stoi(events[i - 1]) + 1);
  EXPECT_TRUE(a->response().content_type.starts_with("text/event-stream"));
}

TEST(EventFeed, DoesNothingWhenNobodyListens) {
  std::atomic<int> asked{0};
  EventFeed feed([&] { return std::to_string(++asked); }, 0.001, 8);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(asked, 0);
  const auto a = nobody();
  feed.add(a);
  a->wait_for_pieces(1);
  a->leave();
  EXPECT_EQ(feed.listeners(), 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(10));  // one that was on its way
  const int before = asked;
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(asked, before);
}

TEST(EventFeed, EndsAllStreamsWithItself) {
  const auto a = nobody();
  {
    EventFeed feed([] { return "x"; }, 60, 8);
    feed.add(a);
    a->wait_for_pieces(1);
  }
  EXPECT_TRUE(a->ended());
}

TEST(EventFeed, HasRoomForSoMany) {
  EventFeed feed([] { return "x"; }, 60, 1);
  const auto a = nobody(), b = nobody();
  feed.add(a);
  try {
    feed.add(b);
    ADD_FAILURE() << "taken";
  } catch (const HttpError& error) {
    EXPECT_EQ(error.kind().status, 503);
  }
  EXPECT_FALSE(b->streamed());
  a->leave();
  feed.add(b);
  EXPECT_TRUE(b->streamed());
}

TEST(EventFeed, OneThatHadLeftIsForgottenAtOnce) {
  EventFeed feed([] { return "x"; }, 60, 1);
  const auto a = nobody();
  a->leave();
  feed.add(a);
  EXPECT_EQ(feed.listeners(), 0);
}

using EventsTest = ApiFixture;

TEST_F(EventsTest, EndWhenTheServerDrains) {
  const auto exchange = get("/v1/events");
  exchange->wait_for_pieces(1);
  api.stop_events();
  EXPECT_TRUE(exchange->ended());
  EXPECT_EQ(refusal(*get("/v1/events")), "503 - stopping");
}

TEST_F(EventsTest, AreTheStatus) {
  const auto exchange = get("/v1/events");
  exchange->wait_for_pieces(1);
  exchange->leave();
  const Json event = Json::parse(exchange->events().at(0));
  EXPECT_EQ(event.at("ready"), true);
  EXPECT_EQ(event.at("devices")[1].at("name"), "cpu:1");
}

}  // namespace
}  // namespace tessera
