#include "runtime/inspect_gpus.h"

#include <gmock/gmock.h>

namespace tessera {
namespace {

using testing::ElementsAre;

std::vector<std::string> uuids_of(const std::vector<GpuReport>& gpus) {
  std::vector<std::string> uuids;
  for (const GpuReport& gpu : gpus) uuids.push_back(gpu.uuid);
  return uuids;
}

// The driver tells of A, B and C; the process sees B, as its second card, and X, whom the driver
// does not tell of.
TEST(InspectGpus, CardsComeInCudasOrderAndThenWhatIsNoneOfThisProcess) {
  const std::vector<GpuReport> told = {
      {.index = 0, .uuid = "A", .name = "a", .paths = {"", "NVLink", "host bridge"}},
      {.index = 1, .uuid = "B", .name = "b", .temperature_c = 50, .paths = {"NVLink", "", "node"}},
      {.index = 2, .uuid = "C", .name = "c", .paths = {"host bridge", "node", ""}}};
  const std::vector<CudaCard> cards = {
      {.index = 0, .name = "x", .uuid = "X", .memory_bytes = 100, .free_bytes = 70},
      {.index = 1, .name = "of CUDA", .uuid = "B"}};
  const std::vector<GpuReport> got = numbered_as_cuda(told, cards);
  ASSERT_THAT(uuids_of(got), ElementsAre("X", "B", "A", "C"));
  EXPECT_EQ(got[0].cuda_index, 0);
  EXPECT_EQ(got[0].name, "x");
  EXPECT_EQ(got[0].foreign_bytes, 30U);
  EXPECT_TRUE(got[0].paths.empty());
  EXPECT_EQ(got[1].cuda_index, 1);
  EXPECT_EQ(got[1].name, "b");
  EXPECT_EQ(got[1].temperature_c, 50);
  EXPECT_THAT(got[1].paths, ElementsAre("", "", "NVLink", "node"));
  EXPECT_EQ(got[2].cuda_index, std::nullopt);
  EXPECT_EQ(got[2].index, 0);
  EXPECT_THAT(got[2].paths, ElementsAre("", "NVLink", "", "host bridge"));
  EXPECT_EQ(got[3].cuda_index, std::nullopt);
  EXPECT_EQ(got[3].index, 2);
  EXPECT_THAT(got[3].paths, ElementsAre("", "node", "host bridge", ""));
}

// Without CUDA, or where it shows this process nothing.
TEST(InspectGpus, WithoutCardsGpusStayAsTheirDriverTells) {
  const std::vector<GpuReport> told = {
      {.index = 0, .uuid = "A", .name = "a", .paths = {"", "node"}},
      {.index = 1, .uuid = "B", .name = "b", .paths = {"node", ""}}};
  const std::vector<GpuReport> got = numbered_as_cuda(told, {});
  ASSERT_THAT(uuids_of(got), ElementsAre("A", "B"));
  EXPECT_EQ(got[0].cuda_index, std::nullopt);
  EXPECT_THAT(got[0].paths, ElementsAre("", "node"));
}

}  // namespace
}  // namespace tessera
