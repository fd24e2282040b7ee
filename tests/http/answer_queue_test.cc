#include "http/answer_queue.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tessera {
namespace {

using testing::EndsWith;

class AnswerQueueTest : public testing::Test {
 protected:
  AnswerQueue queue(size_t backlog_bytes = 100) {
    return AnswerQueue({.backlog_bytes = backlog_bytes,
                        .closing = std::make_shared<std::atomic<bool>>(false),
                        .wake = [this] { ++woken_; }});
  }
  int woken_ = 0;
};

TEST_F(AnswerQueueTest, WakesOnceForAllThatGathers) {
  AnswerQueue answer = queue(1000);
  answer.begin_stream({});
  for (int i = 0; i < 5; ++i) answer.write("ab");
  EXPECT_EQ(woken_, 1);
  EXPECT_THAT(answer.take().bytes,
              EndsWith("\r\n\r\n2\r\nab\r\n2\r\nab\r\n2\r\nab\r\n2\r\nab\r\n2\r\nab\r\n"));
  answer.write("c");
  answer.end_stream();
  EXPECT_EQ(woken_, 2);
  const AnswerQueue::Taken last = answer.take();
  EXPECT_EQ(last.bytes, "1\r\nc\r\n0\r\n\r\n");
  EXPECT_TRUE(last.ended);
  EXPECT_EQ(answer.body_bytes(), 11U);
}

TEST_F(AnswerQueueTest, CountsWhatIsTakenAndNotSentAsPending) {
  AnswerQueue answer = queue(100);
  answer.begin_stream({});
  answer.sent(answer.take().bytes.size());
  answer.write(std::string(1000, 'x'));  // one piece may be of any size
  const size_t taken = answer.take().bytes.size();
  EXPECT_FALSE(answer.overflowed());
  answer.sent(taken - 50);
  answer.write("fits");
  EXPECT_FALSE(answer.overflowed());
  answer.write(std::string(100, 'x'));
  EXPECT_FALSE(answer.overflowed());
  answer.write("too much");
  EXPECT_TRUE(answer.overflowed());
  EXPECT_TRUE(answer.take().cut_off);
  answer.write("no more");
  EXPECT_EQ(answer.take().bytes, "");
}

TEST_F(AnswerQueueTest, AnEndsLastPieceCountsAsAnyOther) {
  AnswerQueue answer = queue(100);
  answer.begin_stream({});
  answer.sent(answer.take().bytes.size());
  answer.write(std::string(1000, 'x'));
  EXPECT_FALSE(answer.overflowed());
  answer.end_stream("one more");
  EXPECT_TRUE(answer.overflowed());
  EXPECT_TRUE(answer.take().cut_off);
}

// A wire that takes no more than `room` bytes at a time.
class DirectSending : public testing::Test {
 protected:
  DirectSending() { answer_.begin_stream({}); }

  std::string taken() {
    const std::string bytes = answer_.take().bytes;
    wire_ += bytes;
    return bytes;
  }
  void write(const std::string& piece) {
    answer_.write(piece, [this] { ++sent_; });
    all_ += fmt::format("{:x}\r\n{}\r\n", piece.size(), piece);
  }
  std::string body() const { return wire_.substr(wire_.find("\r\n\r\n") + 4); }

  size_t room_ = 10000;
  std::string wire_, all_;  // what went over it; what should
  int woken_ = 0, sent_ = 0;
  AnswerQueue answer_{{.backlog_bytes = 100000,
                       .closing = std::make_shared<std::atomic<bool>>(false),
                       .wake = [this] { ++woken_; },
                       .send_now =
                           [this](std::string_view bytes) {
                             const std::string_view part = bytes.substr(0, room_);
                             wire_ += part;
                             return part.size();
                           }}};
};

TEST_F(DirectSending, WakesNobodyForWhatTheSystemTakes) {
  EXPECT_THAT(wire_, EndsWith("\r\n\r\n"));  // the head
  write("ab");
  write("cd");
  EXPECT_EQ(sent_, 2);
  EXPECT_EQ(body(), all_);
  EXPECT_EQ(woken_, 0);
  answer_.end_stream("ef");
  EXPECT_EQ(woken_, 1);
  const AnswerQueue::Taken last = answer_.take();
  EXPECT_EQ(last.bytes, "2\r\nef\r\n0\r\n\r\n");
  EXPECT_TRUE(last.ended);
  EXPECT_EQ(answer_.body_bytes(), 6U);
}

TEST_F(DirectSending, LeavesTheRestToTheSessionAndPassesNothing) {
  write("ab");
  EXPECT_EQ(taken(), "");
  room_ = 4;
  write("cdef");
  EXPECT_EQ(woken_, 1);
  room_ = 10000;
  const size_t rest = taken().size();
  EXPECT_GT(rest, 0U);
  EXPECT_EQ(body(), all_);
  write("behind what is being sent");
  EXPECT_EQ(woken_, 2);
  EXPECT_EQ(sent_, 1);
  answer_.sent(rest - 1);
  write("still behind");
  EXPECT_EQ(sent_, 1);
  answer_.sent(1);
  EXPECT_EQ(sent_, 2);
  write("takes those before it along");
  EXPECT_EQ(sent_, 5);
  EXPECT_EQ(taken(), "");
  EXPECT_EQ(body(), all_);
}

TEST_F(DirectSending, SaysNothingOfWhatIsThrownAway) {
  room_ = 0;
  write(std::string(60000, 'x'));
  const size_t taken_bytes = taken().size();
  write(std::string(60000, 'x'));
  write("is too much");
  EXPECT_TRUE(answer_.overflowed());
  EXPECT_EQ(taken(), "");
  answer_.sent(taken_bytes);
  EXPECT_EQ(sent_, 1);
}

TEST_F(DirectSending, EndsBeforeTheConnectionDoes) {
  write("ab");
  EXPECT_EQ(taken(), "");
  answer_.stop_sending();
  write("cd");
  EXPECT_EQ(woken_, 1);
  EXPECT_EQ(sent_, 1);
  EXPECT_EQ(body(), "2\r\nab\r\n");
}

TEST_F(AnswerQueueTest, ForgetsTheCallbackOfAnAnswerThatIsWhole) {
  AnswerQueue answer = queue();
  int gone = 0;
  answer.on_gone([&] { ++gone; });
  answer.respond({.body = "x"});
  answer.client_gone();
  answer.on_gone([&] { ++gone; });
  EXPECT_EQ(gone, 0);
}

TEST_F(AnswerQueueTest, BodilessStatusesHaveNoBody) {
  for (const int status : {204, 304}) {
    AnswerQueue answer = queue();
    answer.respond({.status = status, .content_type = "", .body = "none"});
    const std::string bytes = answer.take().bytes;
    EXPECT_THAT(bytes, EndsWith("\r\n\r\n"));
    EXPECT_EQ(bytes.find("Content-Length"), std::string::npos);
  }
}

}  // namespace
}  // namespace tessera
