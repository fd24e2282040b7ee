#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace tessera {

/// Bytes that many holders share, counted: nobody gets beyond the limit. Any thread.
class ByteBudget {
 public:
  explicit ByteBudget(uint64_t limit) : limit_(limit) {}

  uint64_t limit() const { return limit_; }
  uint64_t taken() const { return taken_; }

  bool take(uint64_t bytes) {
    if (taken_.fetch_add(bytes) + bytes <= limit_) return true;
    taken_ -= bytes;
    return false;
  }
  void give_back(uint64_t bytes) { taken_ -= bytes; }

 private:
  const uint64_t limit_;
  std::atomic<uint64_t> taken_{0};
};

/// Somebody's part of a budget, given back in the end.
class BudgetShare {
 public:
  explicit BudgetShare(std::shared_ptr<ByteBudget> budget) : budget_(std::move(budget)) {}
  BudgetShare(BudgetShare&& other) noexcept
      : budget_(std::move(other.budget_)), bytes_(std::exchange(other.bytes_, 0)) {}
  BudgetShare& operator=(BudgetShare&&) = delete;
  ~BudgetShare() {
    if (bytes_ > 0) budget_->give_back(bytes_);
  }

  /// False when the budget has no room for so many.
  bool grow_to(uint64_t bytes) {
    if (bytes <= bytes_) return true;
    if (!budget_->take(bytes - bytes_)) return false;
    bytes_ = bytes;
    return true;
  }

 private:
  std::shared_ptr<ByteBudget> budget_;
  uint64_t bytes_ = 0;
};

}  // namespace tessera
