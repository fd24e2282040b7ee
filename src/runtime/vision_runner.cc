#include "runtime/vision_runner.h"

#include <algorithm>

#include "tessera/error.h"

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
      host_pixels_(device.allocate_host(buffers_.pixels.bytes())),
      uploaded_(device.make_event()),
      stream_(device.open_background_stream("vision")) {}

VisionRunner::~VisionRunner() = default;

ImageRows::ImageRows(VisionRunner& runner)
    : home(runner),
      memory(runner.take_host_rows()),
      rows(memory.as<const float>()),
      begin(runner.device().make_event()),
      ready(runner.device().make_event()) {}

ImageRows::~ImageRows() {
  try {
    ready->synchronize();   // a cancelled picture is still being written
  } catch (const Error&) {  // of a lost device, which writes no more
  }
  home.give_back(std::move(memory));
}

HostBuffer VisionRunner::take_host_rows() {
  {
    const std::lock_guard lock(mutex_);
    if (!free_host_rows_.empty()) {
      HostBuffer rows = std::move(free_host_rows_.back());
      free_host_rows_.pop_back();
      return rows;
    }
  }
  return device_.allocate_host(buffers_.rows.bytes());
}

void VisionRunner::give_back(HostBuffer rows) {
  const std::lock_guard lock(mutex_);
  free_host_rows_.push_back(std::move(rows));
}

std::unique_ptr<ImageRows> VisionRunner::encode(const std::vector<float>& pixels,
                                                const CancelFlag* cancel) {
  stream_->check();
  auto image = std::make_unique<ImageRows>(*this);
  uploaded_->synchronize();
  std::ranges::copy(pixels, host_pixels_.as<float>().begin());
  stream_->record(*image->begin);
  stream_->copy(buffers_.pixels.data, &device_, host_pixels_.data(), nullptr,
                buffers_.pixels.bytes());
  stream_->record(*uploaded_);
  {
    const SkipScope skip(*stream_, cancel);
    vision_tower(*stream_, arena_, *model_.config.vision, weights_, buffers_.pixels,
                 buffers_.features);
    project(*stream_, arena_, *model_.config.projector, weights_, buffers_.features, buffers_.rows);
    stream_->copy(image->memory.data(), nullptr, buffers_.rows.data, &device_,
                  buffers_.rows.bytes());
  }
  stream_->record(*image->ready);
  return image;
}

std::vector<float> VisionRunner::features() const {
  std::vector<float> features(static_cast<size_t>(buffers_.features.shape.elements()));
  device_.read(std::as_writable_bytes(std::span(features)), buffers_.features.data);
  return features;
}

}  // namespace tessera
