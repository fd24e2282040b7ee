#include "runtime/device_feed.h"

#include <algorithm>

#include "base/units.h"
#include "ops/packing.h"

namespace tessera {
namespace {

PackedMatrix matrix_of(const LoadDestination& to) {
  return {.data = to.data,
          .device = to.device,
          .precision = to.precision,
          .out = to.rows,
          .in = to.cols};
}

// Where a piece goes that the device needs as the file has it; null: it is to be packed.
std::byte* place_of_copy(const LoadPiece& piece, const LoadDestination& to) {
  auto* base = static_cast<std::byte*>(to.data);
  if (piece.form == PieceForm::kBytes) return base + piece.first_row;
  if (piece.form != PieceForm::kRows) return nullptr;
  const int64_t row = to.first_row + piece.first_row;
  const auto offset = static_cast<uint64_t>(row * to.cols * dtype_bytes(piece.dtype));
  if (to.form != WeightForm::kMatrix) return piece.dtype == to.dtype ? base + offset : nullptr;
  const PackedMatrix matrix = matrix_of(to);
  const DType stored = to.precision == Precision::kF32 ? DType::kF32 : DType::kBF16;
  return stands_in_rows(matrix) && stored == piece.dtype && matrix.padded_in() == matrix.in
             ? base + offset
             : nullptr;
}

}  // namespace

uint64_t load_piece_bytes(const DeviceInfo& device) {
  return std::clamp<uint64_t>(device.budget_bytes / 512, 128 * kKiB, 8 * kMiB);
}

uint64_t load_staging_bytes(const DeviceInfo& device) {
  if (device.kind != DeviceKind::kCuda) return 0;
  return 2 * round_up(load_piece_bytes(device), device.granule_bytes);
}

DeviceFeed::DeviceFeed(Device& device, uint64_t piece_bytes) : device_(device) {
  const uint64_t bytes = std::max(piece_bytes, load_piece_bytes(device.info()));
  for (Half& half : halves_)
    half = {.memory = device.allocate(bytes, MemoryKind::kFixed, "loading"),
            .filled = device.make_event(),
            .emptied = device.make_event()};
  copy_ = device.open_stream("load copy");
  pack_ = device.open_stream("load pack");
}

void DeviceFeed::pad(const PackedMatrix& matrix) {
  pack_padding_on(*pack_, matrix);
}

void DeviceFeed::submit(const LoadPiece& piece, const std::byte* data, Event& copied) {
  const std::lock_guard lock(mutex_);
  copy_->check();
  pack_->check();
  Half& half = halves_[next_];
  bool staged = false;
  for (const LoadDestination& to : piece.destinations) {
    if (to.device != &device_) continue;
    if (std::byte* place = place_of_copy(piece, to)) {
      copy_->copy(place, &device_, data, nullptr, piece.bytes);
      continue;
    }
    if (!staged) {
      copy_->wait(*half.emptied);
      copy_->copy(half.memory.data(), &device_, data, nullptr, piece.bytes);
      copy_->record(*half.filled);
      pack_->wait(*half.filled);
      staged = true;
    }
    pack(piece, to, half.memory.data());
  }
  copy_->record(copied);
  if (!staged) return;
  pack_->record(*half.emptied);
  next_ = 1 - next_;
}

void DeviceFeed::pack(const LoadPiece& piece, const LoadDestination& to, const void* from) {
  if (piece.form == PieceForm::kPanels) {
    unpack_panels_on(*pack_, matrix_of(to), piece.first_row, piece.rows, from);
    return;
  }
  const int64_t first_row = to.first_row + piece.first_row;
  if (to.form == WeightForm::kMatrix) {
    pack_rows_on(*pack_, matrix_of(to), first_row, piece.rows, from, piece.dtype);
    return;
  }
  auto* at = static_cast<std::byte*>(to.data) + first_row * to.cols * dtype_bytes(to.dtype);
  convert_on(*pack_, from, piece.dtype, at, to.dtype, piece.rows * to.cols);
}

void DeviceFeed::finish() {
  copy_->synchronize();
  pack_->synchronize();
}

}  // namespace tessera
