#include "plan/loss_model.h"

#include <array>

namespace tessera {

double default_loss(Precision precision, Precision own) {
  constexpr std::array<double, kPrecisionCount> kSquaredError = {0,      2.8e-6, 4.2e-5, 7.0e-4,
                                                                 5.6e-4, 2.2e-3, 8.3e-3};
  return precision <= own ? 0 : kSquaredError[static_cast<size_t>(precision)];
}

double default_layer_loss(Precision precision, Precision own, int layer, int layers) {
  const bool outer = layer < 2 || layer >= layers - 2;
  return (outer ? 3 : 1) * default_loss(precision, own);
}

}  // namespace tessera
