#include "checkpoint/safetensors_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "checkpoint/safetensors.h"

namespace tessera {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(SafetensorsWriter, IsReadBackAndPutsTheDataWhereAsked) {
  const std::vector<TensorEntry> tensors = {
      {.name = "a", .dtype = DType::kBF16, .shape = {2, 3}},
      {.name = "b \"quoted\"", .dtype = DType::kF32, .shape = {5}},
      {.name = "c", .dtype = DType::kU8, .shape = {1, 7}},
      {.name = "d", .dtype = DType::kF16, .shape = {1}},
      {.name = "e", .dtype = DType::kI8, .shape = {2, 2}},
  };
  constexpr uint64_t kBytes[] = {12, 20, 7, 2, 4};
  for (const uint64_t alignment : {8, 64, 4096}) {
    const std::string front =
        safetensors_front(tensors, {{"format", "x"}, {"note", "line\nbreak"}}, alignment);
    EXPECT_EQ(front.size() % alignment, 0U);
    const FileTensors got =
        read_safetensors(MemorySource("f", front + std::string(12 + 20 + 7 + 2 + 4, 'd')));
    EXPECT_THAT(got.metadata, ElementsAre(Pair("format", "x"), Pair("note", "line\nbreak")));
    ASSERT_EQ(got.entries.size(), tensors.size());
    uint64_t offset = front.size();
    for (size_t i = 0; i < tensors.size(); ++i) {
      EXPECT_EQ(got.entries[i].name, tensors[i].name);
      EXPECT_EQ(got.entries[i].dtype, tensors[i].dtype);
      EXPECT_EQ(got.entries[i].shape, tensors[i].shape);
      EXPECT_EQ(got.entries[i].offset, offset);
      EXPECT_EQ(got.entries[i].bytes, kBytes[i]);
      offset += kBytes[i];
    }
  }
}

}  // namespace
}  // namespace tessera
