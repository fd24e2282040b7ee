#include "ops/edit_logits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ops/sample_rows.h"
#include "tests/ops/op_device.h"
#include "tests/support/differs.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

// What is done to the rows of one call, and the memory that the op takes it from.
struct Edits {
  std::vector<EditedRow> rows;
  std::vector<LogitEdit> edits;
  std::vector<int32_t> masks;

  LogitEdits view(OpDevice& device, int64_t vocab) {
    const auto structs = [&](auto& v) {
      return Tensor(device.memory(v), &device.device(), DType::kU8,
                    {std::ssize(v), int64_t{sizeof(v[0])}});
    };
    const int64_t words = mask_words(vocab);
    return {.rows = structs(rows),
            .edits = structs(edits),
            .masks = device.view(masks, {std::ssize(masks) / words, words})};
  }
};

bool allows(const std::vector<int32_t>& masks, int64_t vocab, int32_t mask, int64_t token) {
  const auto word = static_cast<size_t>(mask * mask_words(vocab) + token / 32);
  return mask < 0 || (static_cast<uint32_t>(masks[word]) >> (token % 32) & 1) != 0;
}

// Some rows edited, some masked, some both, the others not; a mask is used twice.
Edits random_edits(std::mt19937& random, int64_t rows, int64_t vocab) {
  Edits e;
  std::vector<int32_t> tokens(static_cast<size_t>(vocab));
  std::iota(tokens.begin(), tokens.end(), 0);
  for (size_t i = 0; i < static_cast<size_t>(2 * mask_words(vocab)); ++i)
    e.masks.push_back(static_cast<int32_t>(random() & random()));
  for (int64_t row = rows - 1; row >= 0; row -= 2) {
    const auto count =
        static_cast<int32_t>(row % 3 == 0 ? 0 : random() % std::min(vocab + 1, int64_t{3000}));
    std::ranges::shuffle(tokens, random);
    const auto first = static_cast<int32_t>(e.edits.size());
    for (int32_t i = 0; i < count; ++i)
      e.edits.push_back({.token = tokens[static_cast<size_t>(i)],
                         .penalty = 0.5F + static_cast<float>(random() % 8) * 0.3F,
                         .add = static_cast<float>(random() % 100) * 0.1F - 5});
    e.rows.push_back({.row = static_cast<int32_t>(row),
                      .first_edit = first,
                      .edits = count,
                      .mask = row % 4 == 1 ? -1 : static_cast<int32_t>(row % 3 == 0)});
  }
  return e;
}

// The formula in double.
std::vector<double> edited_f64(const std::vector<float>& logits, int64_t vocab, const Edits& e) {
  std::vector<double> want(logits.begin(), logits.end());
  for (const EditedRow& row : e.rows) {
    double* at = want.data() + row.row * vocab;
    for (int32_t i = 0; i < row.edits; ++i) {
      const LogitEdit& edit = e.edits[static_cast<size_t>(row.first_edit + i)];
      const double penalty = double{edit.penalty};
      at[edit.token] = (at[edit.token] > 0 ? at[edit.token] / penalty : at[edit.token] * penalty) +
                       double{edit.add};
    }
    for (int64_t token = 0; token < vocab; ++token)
      if (!allows(e.masks, vocab, row.mask, token)) at[token] = -INFINITY;
  }
  return want;
}

using EditLogits = OpTest;
INSTANTIATE_TEST_SUITE_P(, EditLogits, testing::ValuesIn(op_targets()), target_name);

TEST_P(EditLogits, IsTheFormulaAndLeavesTheOtherRowsAlone) {
  OpDevice device = open();
  std::mt19937 random(3);
  for (const int64_t vocab : {1, 31, 32, 33, 1000, 64000, 151936}) {
    SCOPED_TRACE(vocab);
    const int64_t rows = vocab > 2000 ? 5 : 9;
    auto logits = normal(rows * vocab, static_cast<uint32_t>(vocab));
    for (float& logit : logits) logit *= 8;
    const auto before = logits;
    Edits edits = random_edits(random, rows, vocab);
    Tensor view = device.view(logits, {rows, vocab});
    edit_logits(device.stream(), edits.view(device, vocab), view);
    device.wait();
    // A quotient or product and a sum, of numbers up to 100: three roundings.
    EXPECT_EQ(differs(logits, edited_f64(before, vocab, edits), 2e-7, 1e-5), "");
    for (int64_t row = rows - 2; row >= 0; row -= 2) {
      const auto at = static_cast<size_t>(row * vocab), size = static_cast<size_t>(vocab);
      EXPECT_EQ(
          bits_differ(std::span(logits).subspan(at, size), std::span(before).subspan(at, size)),
          "");
    }
    // The same bits as the definition in f32, whatever the device.
    auto same = before;
    for (const EditedRow& row : edits.rows)
      for (int32_t i = 0; i < row.edits; ++i) {
        const LogitEdit& edit = edits.edits[static_cast<size_t>(row.first_edit + i)];
        float& logit = same[static_cast<size_t>(row.row * vocab + edit.token)];
        logit = edited_logit(logit, edit);
      }
    for (const EditedRow& row : edits.rows)
      for (int64_t token = 0; token < vocab; ++token)
        if (!allows(edits.masks, vocab, row.mask, token))
          same[static_cast<size_t>(row.row * vocab + token)] = -INFINITY;
    EXPECT_EQ(bits_differ(logits, same), "");
  }
}

TEST_P(EditLogits, AFiniteLogitStaysFinite) {
  OpDevice device = open(1);
  std::vector<float> logits = {3e38F, -3e38F, 1, -1, 0, INFINITY, -INFINITY, NAN};
  Edits edits{.rows = {{.row = 0, .edits = 8}}, .edits = {}, .masks = {}};
  for (int32_t token = 0; token < 8; ++token)
    edits.edits.push_back({.token = token, .penalty = 0.01F, .add = token % 2 == 0 ? 1.0F : -1.0F});
  edits.edits[1].penalty = 100;
  Tensor view = device.view(logits, {1, 8});
  edit_logits(device.stream(), edits.view(device, 8), view);
  device.wait();
  const float most = 0x1.fffffep127F;
  const float big = 1.0F / 0.01F;
  EXPECT_EQ(bits_differ(logits, std::vector<float>{most, -most, big + 1, -0.01F - 1, 1, INFINITY,
                                                   -INFINITY, NAN}),
            "");
}

TEST_P(EditLogits, TakesStridedRows) {
  OpDevice device = open(1);
  std::vector<float> logits = {9, 1, 2, 9, 9, 4, 3, 9};
  Edits edits{.rows = {{.row = 1, .edits = 2, .mask = 0}},
              .edits = {{.token = 1, .penalty = 2, .add = 1}, {.token = 0, .penalty = 2, .add = 1}},
              .masks = {1}};  // what one thread edits another masks
  Tensor view = device.view(logits, {2, 4}).slice_cols(1, 2);
  edit_logits(device.stream(), edits.view(device, 2), view);
  device.wait();
  EXPECT_EQ(logits, (std::vector<float>{9, 1, 2, 9, 9, 3, -INFINITY, 9}));
}

TEST_P(EditLogits, ATokenOutsideOfTheVocabularyBreaksTheStream) {
  for (const int32_t token : {-1, 4}) {
    OpDevice device = open(1);
    std::vector<float> logits = {1, 2, 3, 4};
    Edits edits{.rows = {{.row = 0, .edits = 1}}, .edits = {{.token = token}}, .masks = {}};
    const std::string error = error_of([&] {
      Tensor view = device.view(logits, {1, 4});
      edit_logits(device.stream(), edits.view(device, 4), view);
      device.wait();
    });
    EXPECT_NE(error.find("token id"), error.npos) << error;
    EXPECT_NE(error.find("expected 0 to 3, found " + std::to_string(token)), error.npos) << error;
  }
}

// What is said in edit_logits.h: a draw from a row of nothing ends the stream, so that such a mask
// must not come so far.
TEST_P(EditLogits, AMaskThatAllowsNothingBreaksTheDraw) {
  OpDevice device = open(1);
  std::vector<float> logits = {1, 2, 3, 4};
  std::vector<int32_t> got(2);
  std::vector<TokenDraw> draws(2);
  Edits edits{.rows = {{.row = 1, .mask = 0}}, .edits = {}, .masks = {0xf0}};
  EXPECT_EQ(
      error_of([&] {
        Tensor view = device.view(logits, {2, 2}), tokens = device.view(got, {2});
        edit_logits(device.stream(), edits.view(device, 2), view);
        sample_rows(
            device.stream(), view,
            {device.memory(draws), &device.device(), DType::kU8, {2, int64_t{sizeof(TokenDraw)}}},
            tokens);
        device.wait();
      }),
      "logits: expected numbers, found -inf as the largest (the weights are damaged, or a "
      "number overflowed)");
}

TEST(EditLogitsOp, NamesTheArgumentThatIsWrong) {
  Cpu cpu;
  std::vector<float> logits(8);
  Edits edits{.rows = std::vector<EditedRow>(3), .edits = {}, .masks = {}};
  Tensor view = cpu.view(logits, {2, 4});
  EXPECT_EQ(error_of([&] { edit_logits(cpu.stream(), edits.view(cpu, 4), view); }),
            "edit_logits: edited rows: expected at most those of logits, found 3");
  edits = {.rows = std::vector<EditedRow>(1), .edits = {}, .masks = {1, 1}};
  EXPECT_EQ(error_of([&] { edit_logits(cpu.stream(), edits.view(cpu, 33), view); }),
            "edit_logits: masks: expected i32 [1, 1], found i32 [1, 2]");
}

}  // namespace
}  // namespace tessera
