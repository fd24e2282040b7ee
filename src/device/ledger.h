#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

/// What a device's bytes are for. kFixed: context, library workspaces, staging.
enum class MemoryKind : uint8_t { kWeights, kKv, kArena, kFixed };
inline constexpr std::array<std::string_view, 4> kMemoryKindNames = {"weights", "kv", "arena",
                                                                     "fixed"};

/// "weights of layer 3", as the ledger's Errors name what was asked for.
std::string describe_request(MemoryKind kind, std::string_view owner);

/// One device's book: every byte has an owner and a kind, and the sum stays under the budget.
/// Thread-safe.
class Ledger {
 public:
  struct Entry {
    std::string owner;
    MemoryKind kind;
    uint64_t bytes;
  };

  Ledger(std::string device, uint64_t budget_bytes);

  /// Books `bytes` for `owner`. Throws Error, with nothing booked, when they do not fit: the line
  /// names the device, who asked, the bytes wanted and free, and what holds the rest.
  void charge(MemoryKind kind, std::string_view owner, uint64_t bytes);
  void release(MemoryKind kind, std::string_view owner, uint64_t bytes) noexcept;

  uint64_t budget_bytes() const { return budget_bytes_; }
  uint64_t used_bytes() const;
  uint64_t peak_bytes() const;  ///< most that was ever booked at one time
  uint64_t used_bytes(MemoryKind kind) const;
  std::vector<Entry> entries() const;  ///< what is booked now, largest first

 private:
  const std::string device_;
  const uint64_t budget_bytes_;
  mutable std::mutex mutex_;
  std::vector<Entry> entries_;
  uint64_t used_ = 0, peak_ = 0;
};

}  // namespace tessera
