#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "runtime/wanted_row.h"
#include "tessera/engine.h"

namespace tessera {

/// What an answer may be, token by token: an answer's form.
class TokenMask {
 public:
  virtual ~TokenMask() = default;
  /// Sets all of `bits`, [mask_words(vocab)]: those of the tokens that may come next, ends of the
  /// answer among them where it may end.
  virtual void allowed(std::span<uint32_t> bits) const = 0;
  virtual void accept(int32_t token) = 0;  ///< one of those
  virtual bool complete() const = 0;       ///< nothing may follow but an end
};

/// What decides the next token of one sequence: a request's options, the random numbers of its
/// seed, and the tokens so far. Nothing is ever taken back: next() prepares the same draw until
/// accept() says which token came of it, so a step may be abandoned, and a sequence computed again
/// from its tokens. One thread at a time.
class TokenSampler {
 public:
  /// One choice of a request that has passed check_request. Choice 0 draws with the request's seed,
  /// the others with seeds made of it and their number; without a seed, each with one of its own.
  /// `prompt_ids` below 0 (pictures) do not count as tokens.
  TokenSampler(const Request& request, std::span<const int32_t> prompt_ids, int choice = 0);

  /// From here on the mask decides which tokens are allowed; it hears of each that is accepted.
  void restrict_to(std::unique_ptr<TokenMask> mask, int64_t vocab);

  /// What decides the next token; `row` is the caller's to set. The views stay until accept().
  /// Throws Error when the mask allows no token of the vocabulary: a row of nothing must not reach
  /// a step, which it would break for all.
  WantedRow next();
  void accept(int32_t token);

  const TokenMask* mask() const { return mask_.get(); }  ///< null: none

 private:
  struct Counted {
    double bias = 0;
    int64_t count = 0;  // in the answer
  };
  size_t place_of(int32_t token);
  void renew(size_t place);

  const SamplingOptions options_;
  const double repetition_penalty_, frequency_penalty_, presence_penalty_;
  const int top_logprobs_;
  Sampler sampler_;
  std::optional<TokenDraw> draw_ = {};  // the next one, once prepared

  std::unordered_map<int32_t, size_t> places_;  // of tokens that have an edit
  std::vector<LogitEdit> edits_;
  std::vector<Counted> counted_;  // beside edits_

  std::unique_ptr<TokenMask> mask_;
  std::vector<uint32_t> bits_;
  bool bits_valid_ = false;
  int64_t vocab_ = 0;  // of the mask
};

}  // namespace tessera
