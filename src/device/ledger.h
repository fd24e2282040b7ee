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

/// Bytes of each kind, by its number.
using BytesByKind = std::array<uint64_t, kMemoryKindNames.size()>;

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

  /// Notes what is going to be booked in all, where that is known; nothing is held to it.
  void set_planned(const BytesByKind& bytes);
  /// "planned are weights 20.0 MiB, kv 4.0 MiB"; empty where nothing has been noted.
  std::string describe_planned() const;

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
  BytesByKind planned_ = {};
  uint64_t used_ = 0, peak_ = 0;
};

}  // namespace tessera
