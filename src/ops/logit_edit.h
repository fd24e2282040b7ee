#pragma once

#include <cstdint>

// How a logit is edited, in operations that are each rounded alike on every processor. constexpr so
// that kernels have it too.

namespace tessera {

/// What becomes of one token's logit in one row.
struct LogitEdit {
  int32_t token = 0;
  float penalty = 1;  ///< above 0; what raises the logit is taken back by it: CTRL's division
  float add = 0;      ///< after that
};

/// The repetition penalty of CTRL (Keskar et al. 2019, arXiv:1909.05858, section 4.1) as everyone
/// reads it, for which a negative logit is multiplied; then what is added. A finite logit stays
/// finite: no penalty and no bias can break a row.
constexpr float edited_logit(float logit, const LogitEdit& edit) {
  constexpr float kMost = 0x1.fffffep127F;
  const float edited = (logit > 0 ? logit / edit.penalty : logit * edit.penalty) + edit.add;
  if (!(logit >= -kMost && logit <= kMost)) return edited;
  return edited > kMost ? kMost : edited < -kMost ? -kMost : edited;
}

}  // namespace tessera
