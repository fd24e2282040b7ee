// What goes wrong while many are served ends those that it hit, and nobody else.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "runtime/serving_loop.h"
#include "tests/runtime/goldens.h"
#include "tests/runtime/heard.h"
#include "tests/runtime/test_engine.h"
#include "tests/support/allocation_limit.h"

namespace tessera {
namespace {

using testing::HasSubstr;

constexpr int64_t kContext = 512;

class ServingFaultsTest : public testing::Test {
 protected:
  explicit ServingFaultsTest(double stall_s = 60)
      : engine_(golden_dir("llama_tiny"), {.layers = {2, 2}}, Precision::kF32, 32, 4),
        loop_(std::make_unique<ServingLoop>(ServingOptions{.stall_s = stall_s}, engine_.pipeline(),
                                            engine_.blocks(), kContext)) {}

  struct Question {
    Request request;
    PreparedRequest prepared;
  };
  Question question(const std::string& text, int64_t tokens) {
    Request request{.prompt_text = text, .temperature = 0, .max_new_tokens = tokens};
    request.ignore_end = true;
    PreparedRequest prepared = prepare_request(engine_.model(), engine_.tokenizer(), kContext,
                                               request, Tokenizer::Specials::kAsText);
    return {std::move(request), std::move(prepared)};
  }
  std::shared_ptr<Heard> ask(Question question) {
    auto heard = std::make_shared<Heard>();
    loop_->submit(std::make_shared<ServedRequest>(
        loop_->next_id(), std::move(question.request), std::move(question.prepared),
        std::vector<PictureUse>{}, heard, engine_.tokenizer()));
    return heard;
  }
  std::shared_ptr<Heard> ask(const std::string& text, int64_t tokens) {
    return ask(question(text, tokens));
  }
  std::string answer(const std::string& text, int64_t tokens) {
    const auto heard = ask(text, tokens);
    const AnswerSummary summary = heard->wait();
    if (summary.error) return Error(*summary.error).what();
    return heard->text();
  }
  float* norm_of_last_layer() {
    for (const LoadTarget& target : engine_.pipeline().load_targets())
      if (target.unit->name == "layer 3")
        return UnitWeights(*target.unit, Precision::kF32, *target.device, target.data)
            .vector("input_norm")
            .f32();
    return nullptr;
  }

  TestEngine engine_;
  std::unique_ptr<ServingLoop> loop_;
};

TEST_F(ServingFaultsTest, AStepThatFailsEndsItsRequestsAndTheNextOnesGoOn) {
  const std::string want = answer("one two", 9);
  float* norm = norm_of_last_layer();
  ASSERT_NE(norm, nullptr);
  const float right = norm[0];
  norm[0] = NAN;
  const auto first = ask("one two", 9), second = ask("three four five", 9);
  EXPECT_THAT(Error(first->wait().error.value()).what(), HasSubstr("NaN"));
  EXPECT_THAT(Error(second->wait().error.value()).what(), HasSubstr("NaN"));
  norm[0] = right;
  EXPECT_EQ(answer("one two", 9), want);
  const EngineStatus status = loop_->status();
  EXPECT_TRUE(status.ready) << status.why_not;
  EXPECT_EQ(status.failed, 2U);
  EXPECT_EQ(status.kv_blocks_used, 0);
}

// Wherever memory is short for a moment: in whoever submits, the loop, the stages, the devices.
TEST_F(ServingFaultsTest, AnAllocationThatFailsAnywhereIsSurvived) {
  const std::string want = answer("one two", 9);
  int64_t before = 0;
  for (bool happened = true; happened; before += 1 + before / 40) {
    std::shared_ptr<Heard> heard;
    Question one = question("one two", 9);  // SentencePiece does not survive it
    {
      const AllocationFailure failure(before);
      try {
        heard = ask(std::move(one));
      } catch (const std::exception&) {  // who submits is told
      }
      if (heard != nullptr) heard->wait();
      happened = AllocationFailure::happened();
    }
    ASSERT_EQ(answer("one two", 9), want) << "after the failure of allocation " << before;
    ASSERT_EQ(loop_->status().running, 0);
  }
  EXPECT_GT(before, 100);
}

class StallTest : public ServingFaultsTest {
 protected:
  StallTest() : ServingFaultsTest(0.3) {}
};

TEST_F(StallTest, AStageThatHangsEndsWhatWaitsForItAndIsTold) {
  const std::string want = answer("one two", 9);
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  const auto* hang = &released;
  engine_.pipeline().stage(1).compute().run({}, Work([hang](WorkerPool&) { hang->wait(); }));
  const AnswerSummary stuck = ask("one two", 9)->wait();
  ASSERT_TRUE(stuck.error);
  EXPECT_THAT(Error(*stuck.error).what(), HasSubstr("hangs"));
  EXPECT_FALSE(loop_->status().ready);
  EXPECT_THAT(loop_->status().why_not, HasSubstr("has not come back"));
  release.set_value();
  EXPECT_EQ(answer("one two", 9), want);
  EXPECT_TRUE(loop_->status().ready);
}

}  // namespace
}  // namespace tessera
