#include "runtime/token_sampler.h"

#include <algorithm>
#include <array>
#include <random>

#include "ops/edit_logits.h"

namespace tessera {
namespace {

SamplingOptions sampling_options(const Request& request) {
  return {.temperature = static_cast<float>(request.temperature),
          .top_k = request.top_k.value_or(0),
          .top_p = static_cast<float>(request.top_p.value_or(1)),
          .min_p = static_cast<float>(request.min_p)};
}

uint64_t joined(uint32_t high, uint32_t low) {
  return static_cast<uint64_t>(high) << 32 | low;
}

uint64_t seed_of(const Request& request, int choice) {
  if (!request.seed) {
    std::random_device device;
    const uint32_t high = device();
    return joined(high, device());
  }
  if (choice == 0) return *request.seed;
  std::seed_seq mixed{static_cast<uint32_t>(*request.seed >> 32),
                      static_cast<uint32_t>(*request.seed), static_cast<uint32_t>(choice)};
  std::array<uint32_t, 2> words = {};
  mixed.generate(words.begin(), words.end());
  return joined(words[0], words[1]);
}

bool allows_any(std::span<const uint32_t> bits, int64_t vocab) {
  const auto whole = static_cast<size_t>(vocab / 32);
  if (std::ranges::any_of(bits.first(whole), [](uint32_t word) { return word != 0; })) return true;
  return vocab % 32 != 0 && (bits[whole] & ((1U << (vocab % 32)) - 1)) != 0;
}

}  // namespace

TokenSampler::TokenSampler(const Request& request, std::span<const int32_t> prompt_ids, int choice)
    : options_(sampling_options(request)),
      repetition_penalty_(request.repetition_penalty),
      frequency_penalty_(request.frequency_penalty),
      presence_penalty_(request.presence_penalty),
      top_logprobs_(static_cast<int>(request.top_logprobs.value_or(-1))),
      sampler_(seed_of(request, choice)) {
  for (const auto& [token, bias] : request.logit_bias) {
    const size_t place = place_of(token);
    counted_[place].bias += double{bias};
    renew(place);
  }
  if (repetition_penalty_ == 1) return;
  for (const int32_t token : prompt_ids)
    if (token >= 0) edits_[place_of(token)].penalty = static_cast<float>(repetition_penalty_);
}

size_t TokenSampler::place_of(int32_t token) {
  const auto [at, is_new] = places_.try_emplace(token, edits_.size());
  if (is_new) {
    edits_.push_back({.token = token});
    counted_.emplace_back();
  }
  return at->second;
}

void TokenSampler::renew(size_t place) {
  const auto& [bias, count] = counted_[place];
  const double presence = count > 0 ? presence_penalty_ : 0;
  edits_[place].add =
      static_cast<float>(bias - frequency_penalty_ * static_cast<double>(count) - presence);
}

void TokenSampler::restrict_to(std::unique_ptr<TokenMask> mask, int64_t vocab) {
  mask_ = std::move(mask);
  vocab_ = vocab;
  bits_.assign(mask_ ? static_cast<size_t>(mask_words(vocab)) : 0, 0);
  bits_valid_ = false;
}

WantedRow TokenSampler::next() {
  if (mask_ && !bits_valid_) {
    mask_->allowed(bits_);
    if (!allows_any(bits_, vocab_))
      throw Error({.where = "form of the answer",
                   .expected = "a token that may come next",
                   .found = "none",
                   .hint = "the model's vocabulary cannot write what the form demands"});
    bits_valid_ = true;
  }
  if (!draw_) draw_ = sampler_.draw(options_);
  return {.draw = draw_, .edits = edits_, .mask = bits_, .top_logprobs = top_logprobs_};
}

void TokenSampler::accept(int32_t token) {
  draw_.reset();
  bits_valid_ = false;
  if (mask_) mask_->accept(token);
  if (repetition_penalty_ == 1 && frequency_penalty_ == 0 && presence_penalty_ == 0) return;
  const size_t place = place_of(token);
  edits_[place].penalty = static_cast<float>(repetition_penalty_);
  ++counted_[place].count;
  renew(place);
}

}  // namespace tessera
