#pragma once

#include <optional>
#include <vector>

#include "checkpoint/model_config.h"
#include "model/unit.h"
#include "tessera/kv_format.h"

namespace tessera {

/// A whole model before loading: its configuration and its units, in the order of the forward pass.
struct ModelSpec {
  ModelConfig config;
  std::optional<UnitSpec> vision;
  UnitSpec embedding;
  std::vector<UnitSpec> layers;
  UnitSpec head;

  /// KV bytes that one token needs in one layer.
  int64_t kv_bytes_per_token(KvFormat format) const;
  /// Every unit: vision, embedding, layers, head.
  std::vector<const UnitSpec*> units() const;
};

ModelSpec describe_model(const ModelConfig& config);

}  // namespace tessera
