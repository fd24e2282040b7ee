#include "cuda_emulator/warp_words.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>

#include "cuda_emulator/thread_block.h"

namespace tessera {
namespace {

int running_lane() {
  return static_cast<int>(thread_block().running().lane());
}

struct Shuffle {
  uint64_t value = 0;
  int source = 0;
  SourcePlace place = {};
};

const Shuffle& shuffle_of(const DeviceThread& lane) {
  return *static_cast<const Shuffle*>(lane.given);
}

void combine_shuffle(std::span<DeviceThread* const> lanes, uint32_t mask) {
  for (uint32_t left = mask; left != 0; left &= left - 1) {
    const DeviceThread& lane = *lanes[std::countr_zero(left)];
    const Shuffle& shuffle = shuffle_of(lane);
    if ((mask >> shuffle.source & 1) == 0)
      thread_block().fail("a lane shuffles from a lane that is not in the mask", shuffle.place);
    *static_cast<uint64_t*>(lane.taken) = shuffle_of(*lanes[shuffle.source]).value;
  }
}

void combine_votes(std::span<DeviceThread* const> lanes, uint32_t mask) {
  uint32_t votes = 0;
  for (uint32_t left = mask; left != 0; left &= left - 1) {
    const int lane = std::countr_zero(left);
    if (*static_cast<const bool*>(lanes[lane]->given)) votes |= 1u << lane;
  }
  for (uint32_t left = mask; left != 0; left &= left - 1)
    *static_cast<uint32_t*>(lanes[std::countr_zero(left)]->taken) = votes;
}

struct Reduced {
  uint32_t value;
  bool is_signed;
  LaneReduction reduction;
};

uint32_t reduce_two(uint32_t a, const Reduced& b) {
  const auto signed_a = static_cast<int32_t>(a), signed_b = static_cast<int32_t>(b.value);
  switch (b.reduction) {
    case LaneReduction::kAdd:
      return a + b.value;
    case LaneReduction::kMin:
      return b.is_signed ? static_cast<uint32_t>(std::min(signed_a, signed_b))
                         : std::min(a, b.value);
    case LaneReduction::kMax:
      return b.is_signed ? static_cast<uint32_t>(std::max(signed_a, signed_b))
                         : std::max(a, b.value);
    case LaneReduction::kAnd:
      return a & b.value;
    case LaneReduction::kOr:
      return a | b.value;
    case LaneReduction::kXor:
      return a ^ b.value;
  }
  return 0;
}

void combine_reduced(std::span<DeviceThread* const> lanes, uint32_t mask) {
  const int first = std::countr_zero(mask);
  uint32_t result = static_cast<const Reduced*>(lanes[first]->given)->value;
  for (uint32_t left = mask & (mask - 1); left != 0; left &= left - 1)
    result = reduce_two(result, *static_cast<const Reduced*>(lanes[std::countr_zero(left)]->given));
  for (uint32_t left = mask; left != 0; left &= left - 1)
    *static_cast<uint32_t*>(lanes[std::countr_zero(left)]->taken) = result;
}

uint32_t reduce_words(uint32_t mask, Reduced reduced, SourcePlace place) {
  uint32_t result = 0;
  thread_block().collective(WarpWord::kReduce, mask, &reduced, &result, combine_reduced, place);
  return result;
}

}  // namespace

int sync_block(bool vote, SourcePlace place) {
  return thread_block().barrier(vote, place);
}

void sync_warp(uint32_t mask, SourcePlace place) {
  thread_block().collective(WarpWord::kSyncWarp, mask, nullptr, nullptr, nullptr, place);
}

void shuffle_lanes(WarpWord word, uint32_t mask, void* value, size_t bytes, int source,
                   SourcePlace place) {
  Shuffle shuffle = {.source = source, .place = place};
  std::memcpy(&shuffle.value, value, bytes);
  uint64_t result = 0;
  thread_block().collective(word, mask, &shuffle, &result, combine_shuffle, place);
  std::memcpy(value, &result, bytes);
}

uint32_t vote_lanes(uint32_t mask, bool vote, SourcePlace place) {
  uint32_t votes = 0;
  thread_block().collective(WarpWord::kBallot, mask, &vote, &votes, combine_votes, place);
  return votes;
}

// CUDA C++ programming guide, "Warp shuffle functions".

int xor_source(int lane_mask, int width) {
  const int lane = running_lane(), source = lane ^ lane_mask;
  return source / width <= lane / width ? source : lane;  // into an earlier segment is allowed
}

int up_source(int delta, int width) {
  const int lane = running_lane();
  return lane % width < delta ? lane : lane - delta;
}

int down_source(int delta, int width) {
  const int lane = running_lane();
  return lane % width + delta >= width ? lane : lane + delta;
}

int index_source(int lane, int width) {
  return running_lane() / width * width + (lane & (width - 1));
}

uint32_t reduce_lanes(uint32_t mask, uint32_t value, LaneReduction reduction, SourcePlace place) {
  return reduce_words(mask, {value, false, reduction}, place);
}

int32_t reduce_lanes(uint32_t mask, int32_t value, LaneReduction reduction, SourcePlace place) {
  return static_cast<int32_t>(
      reduce_words(mask, {static_cast<uint32_t>(value), true, reduction}, place));
}

}  // namespace tessera
