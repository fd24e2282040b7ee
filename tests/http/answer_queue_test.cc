#include "http/answer_queue.h"

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
