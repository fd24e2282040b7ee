#include "runtime/vision_runner.h"

namespace tessera {

VisionRunner::VisionRunner(const ModelSpec& model, Device& device, Precision precision,
                           const PackedModel* packed)
    : model_(model),
      device_(device),
      weights_buffer_(weights_memory(*model.vision, precision, device, packed)),
      arena_buffer_(device.allocate(vision_arena_bytes(model, precision), MemoryKind::kArena,
                                    model.vision->name)),
      arena_(arena_buffer_),
      buffers_(take_vision_buffers(arena_, model)),
      weights_(UnitWeights(*model.vision, precision, device, weights_buffer_.data()),
               *model.config.vision, *model.config.projector),
      stream_(device.open_stream("vision")) {}

VisionRunner::~VisionRunner() = default;

std::unique_ptr<ImageRows> VisionRunner::encode(const std::vector<float>& pixels,
                                                const CancelFlag* cancel) {
  auto image = std::make_unique<ImageRows>();
  image->rows.resize(static_cast<size_t>(buffers_.rows.shape.elements()));
  image->begin = device_.make_event();
  image->ready = device_.make_event();

  stream_->synchronize();  // the arena holds one picture
  stream_->record(*image->begin);
  stream_->copy(buffers_.pixels.data, &device_, pixels.data(), nullptr, buffers_.pixels.bytes());
  auto uploaded = device_.make_event();
  stream_->record(*uploaded);
  {
    const SkipScope skip(*stream_, cancel);
    vision_tower(*stream_, arena_, *model_.config.vision, weights_, buffers_.pixels,
                 buffers_.features);
    project(*stream_, arena_, *model_.config.projector, weights_, buffers_.features, buffers_.rows);
    stream_->copy(image->rows.data(), nullptr, buffers_.rows.data, &device_, buffers_.rows.bytes());
  }
  stream_->record(*image->ready);
  uploaded->synchronize();
  return image;
}

std::vector<float> VisionRunner::features() const {
  const Tensor& features = buffers_.features;
  return {features.f32(), features.f32() + features.shape.elements()};
}

}  // namespace tessera
