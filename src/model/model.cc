#include "model/model.h"

#include "model/decoder.h"
#include "model/vision.h"

namespace tessera {

int64_t ModelSpec::kv_bytes_per_token(KvFormat format) const {
  const DecoderConfig& decoder = config.decoder;
  const uint64_t block = KvPages::bytes(format, 1, decoder.kv_heads, decoder.head_dim);
  return static_cast<int64_t>(block) / kBlockTokens;
}

std::vector<const UnitSpec*> ModelSpec::units() const {
  std::vector<const UnitSpec*> all;
  if (vision) all.push_back(&*vision);
  all.push_back(&embedding);
  for (const UnitSpec& layer : layers) all.push_back(&layer);
  all.push_back(&head);
  return all;
}

ModelSpec describe_model(const ModelConfig& config) {
  ModelSpec model{.config = config,
                  .vision = std::nullopt,
                  .embedding = embedding_unit(config.decoder),
                  .layers = {},
                  .head = head_unit(config.decoder)};
  if (config.vision) model.vision = vision_unit(*config.vision, *config.projector);
  for (int64_t layer = 0; layer < config.decoder.layers; ++layer)
    model.layers.push_back(layer_unit(config.decoder, layer));
  return model;
}

}  // namespace tessera
