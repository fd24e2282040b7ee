#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

#include "tessera/serving.h"

namespace tessera {

/// Writes down what it hears, and lets a test wait for the end.
class Heard final : public AnswerListener {
 public:
  explicit Heard(int choices = 1) : texts_(static_cast<size_t>(choices)) {}

  void on_piece(const AnswerPiece& piece) override {
    const std::lock_guard lock(mutex_);
    texts_.at(static_cast<size_t>(piece.choice)) += piece.text;
    ++pieces_;
    if (piece.logprobs != nullptr) logprobs_.push_back(*piece.logprobs);
    changed_.notify_all();
  }
  void on_end(const AnswerSummary& summary) override {
    const std::lock_guard lock(mutex_);
    ++ends_;
    changed_.notify_all();
    summary_ = summary;  // may fail, in tests of that
  }

  /// What it was told at the end; waits for that.
  AnswerSummary wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ends_ > 0; });
    return summary_;
  }
  void wait_for_pieces(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return pieces_ >= count || ends_ > 0; });
  }
  std::string text(int choice = 0) const {
    const std::lock_guard lock(mutex_);
    return texts_[static_cast<size_t>(choice)];
  }
  std::vector<TokenLogprobs> logprobs() const {
    const std::lock_guard lock(mutex_);
    return logprobs_;
  }
  int pieces() const {
    const std::lock_guard lock(mutex_);
    return pieces_;
  }
  int ends() const {
    const std::lock_guard lock(mutex_);
    return ends_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> texts_;
  std::vector<TokenLogprobs> logprobs_;
  AnswerSummary summary_;
  int pieces_ = 0, ends_ = 0;
};

}  // namespace tessera
