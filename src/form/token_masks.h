#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "form/form.h"
#include "form/form_vocabulary.h"
#include "form/form_walk.h"

namespace tessera {

/// Which tokens of one vocabulary may come in each state of one form. What a state says by itself
/// is worked out once and kept; what depends on the stack is looked at each time. Any thread.
class TokenMasks {
 public:
  /// Throws UsageError when the vocabulary cannot write any answer of the form byte by byte.
  TokenMasks(std::shared_ptr<const CompiledForm> form,
             std::shared_ptr<const FormVocabulary> vocabulary);

  const Automaton& automaton() const { return form_->automaton; }
  const FormVocabulary& vocabulary() const { return *vocabulary_; }
  /// Levels of nesting that each state needs to its end, with tokens of single bytes: an answer
  /// can then always be brought to its end, whatever longer tokens there are.
  const std::vector<uint16_t>& heights() const { return heights_; }

  /// Sets the bits of tokens that may come at the place and clears the others; end tokens are not
  /// looked at. `walk` knows the place's whole stack.
  void write(FormWalk& walk, const FormPlace& place, std::span<uint32_t> bits) const;

  size_t kept_masks() const;  ///< for tests

 private:
  struct Mask;
  /// What a state takes without a look at each byte: so many bytes of these groups, in any order.
  struct Run {
    uint32_t groups = 0, bytes = 0;
  };
  void find_runs();
  void lengthen_runs(const std::vector<uint32_t>& next);
  void mark(FormWalk& walk, const FormPlace& place, uint32_t first, uint32_t last,
            std::span<uint32_t> bits, std::vector<uint32_t>* below) const;
  std::shared_ptr<const Mask> mask_of(uint32_t state, int32_t room) const;
  Mask make_mask(uint32_t state, int32_t room) const;

  std::shared_ptr<const CompiledForm> form_;
  std::shared_ptr<const FormVocabulary> vocabulary_;
  std::vector<uint16_t> own_heights_;  // only where single bytes are missing
  const std::vector<uint16_t>& heights_;
  std::vector<Run> runs_;  // [states]
  mutable std::mutex mutex_;
  mutable std::unordered_map<uint64_t, std::shared_ptr<const Mask>> masks_;  // state, room
  mutable size_t kept_bytes_ = 0;
};

}  // namespace tessera
