#pragma once

#include <device_launch_parameters.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "cuda_emulator/source_place.h"
#include "cuda_emulator/warp_word.h"

// __syncthreads and what the lanes of a warp do together.

namespace tessera {

/// A barrier of the whole block; returns how many threads voted yes.
int sync_block(bool vote, SourcePlace place);
void sync_warp(uint32_t mask, SourcePlace place);

/// Replaces the `bytes` (2, 4 or 8) at `value` by those of lane `source`.
void shuffle_lanes(WarpWord word, uint32_t mask, void* value, size_t bytes, int source,
                   SourcePlace place);
/// Bit l: lane l of the mask voted yes.
uint32_t vote_lanes(uint32_t mask, bool vote, SourcePlace place);

/// Which lane's value a shuffle of `width` lanes gives to the running thread: its own, where the
/// source would lie outside.
int xor_source(int lane_mask, int width);
int up_source(int delta, int width);
int down_source(int delta, int width);
int index_source(int lane, int width);

template <typename T>
concept ShuffledValue = std::is_trivially_copyable_v<T> &&
    (sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8);

enum class LaneReduction : uint8_t { kAdd, kMin, kMax, kAnd, kOr, kXor };
uint32_t reduce_lanes(uint32_t mask, uint32_t value, LaneReduction reduction, SourcePlace place);
int32_t reduce_lanes(uint32_t mask, int32_t value, LaneReduction reduction, SourcePlace place);

}  // namespace tessera

inline void __syncthreads(tessera::SourcePlace place = tessera::SourcePlace::current()) {
  tessera::sync_block(false, place);
}
inline int __syncthreads_count(int vote,
                               tessera::SourcePlace place = tessera::SourcePlace::current()) {
  return tessera::sync_block(vote != 0, place);
}
inline int __syncthreads_or(int vote,
                            tessera::SourcePlace place = tessera::SourcePlace::current()) {
  return tessera::sync_block(vote != 0, place) != 0;
}
inline int __syncthreads_and(int vote,
                             tessera::SourcePlace place = tessera::SourcePlace::current()) {
  return tessera::sync_block(vote == 0, place) == 0;
}

inline void __syncwarp(unsigned mask = ~0u,
                       tessera::SourcePlace place = tessera::SourcePlace::current()) {
  tessera::sync_warp(mask, place);
}

template <tessera::ShuffledValue T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32,
                  tessera::SourcePlace place = tessera::SourcePlace::current()) {
  tessera::shuffle_lanes(tessera::WarpWord::kShuffleXor, mask, &value, sizeof(T),
                         tessera::xor_source(lane_mask, width), place);
  return value;
}
template <tessera::ShuffledValue T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                 tessera::SourcePlace place = tessera::SourcePlace::current()) {
  tessera::shuffle_lanes(tessera::WarpWord::kShuffleUp, mask, &value, sizeof(T),
                         tessera::up_source(static_cast<int>(delta), width), place);
  return value;
}
template <tessera::ShuffledValue T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                   tessera::SourcePlace place = tessera::SourcePlace::current()) {
  tessera::shuffle_lanes(tessera::WarpWord::kShuffleDown, mask, &value, sizeof(T),
                         tessera::down_source(static_cast<int>(delta), width), place);
  return value;
}
template <tessera::ShuffledValue T>
T __shfl_sync(unsigned mask, T value, int lane, int width = 32,
              tessera::SourcePlace place = tessera::SourcePlace::current()) {
  tessera::shuffle_lanes(tessera::WarpWord::kShuffle, mask, &value, sizeof(T),
                         tessera::index_source(lane, width), place);
  return value;
}

inline unsigned __ballot_sync(unsigned mask, int vote,
                              tessera::SourcePlace place = tessera::SourcePlace::current()) {
  return tessera::vote_lanes(mask, vote != 0, place);
}
inline int __any_sync(unsigned mask, int vote,
                      tessera::SourcePlace place = tessera::SourcePlace::current()) {
  return tessera::vote_lanes(mask, vote != 0, place) != 0;
}
inline int __all_sync(unsigned mask, int vote,
                      tessera::SourcePlace place = tessera::SourcePlace::current()) {
  return tessera::vote_lanes(mask, vote == 0, place) == 0;
}

template <typename T>
requires std::same_as<T, int> || std::same_as<T, unsigned> T __reduce_add_sync(
    unsigned mask, T value, tessera::SourcePlace place = tessera::SourcePlace::current()) {
  return tessera::reduce_lanes(mask, value, tessera::LaneReduction::kAdd, place);
}
template <typename T>
requires std::same_as<T, int> || std::same_as<T, unsigned> T __reduce_min_sync(
    unsigned mask, T value, tessera::SourcePlace place = tessera::SourcePlace::current()) {
  return tessera::reduce_lanes(mask, value, tessera::LaneReduction::kMin, place);
}
template <typename T>
requires std::same_as<T, int> || std::same_as<T, unsigned> T __reduce_max_sync(
    unsigned mask, T value, tessera::SourcePlace place = tessera::SourcePlace::current()) {
  return tessera::reduce_lanes(mask, value, tessera::LaneReduction::kMax, place);
}
inline unsigned __reduce_and_sync(unsigned mask, unsigned value,
                                  tessera::SourcePlace place = tessera::SourcePlace::current()) {
  return tessera::reduce_lanes(mask, value, tessera::LaneReduction::kAnd, place);
}
inline unsigned __reduce_or_sync(unsigned mask, unsigned value,
                                 tessera::SourcePlace place = tessera::SourcePlace::current()) {
  return tessera::reduce_lanes(mask, value, tessera::LaneReduction::kOr, place);
}
inline unsigned __reduce_xor_sync(unsigned mask, unsigned value,
                                  tessera::SourcePlace place = tessera::SourcePlace::current()) {
  return tessera::reduce_lanes(mask, value, tessera::LaneReduction::kXor, place);
}
