#include "model/packed_unit.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <set>

#include "base/checksum.h"
#include "base/file.h"
#include "checkpoint/safetensors.h"
#include "model/decoder.h"
#include "model/model.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_folder.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr Precision kStored[] = {Precision::kF32,  Precision::kBF16, Precision::kInt8,
                                 Precision::kInt6, Precision::kInt5, Precision::kInt4};
constexpr const char* kFingerprint = "0123456789abcdef";

std::vector<ModelSpec> models() {
  std::vector<ModelSpec> found;
  for (const char* name : {"yi_vl_tiny", "yi_vl_odd", "llama_tiny"})
    found.push_back(
        describe_model(read_model_config(std::string(TESSERA_GOLDEN_DIR) + "/" + name)));
  return found;
}

PackedUnitFile file_of(const UnitSpec& unit, Precision precision) {
  PackedUnitFile file{.unit = unit.name,
                      .file = packed_file_name(unit),
                      .precision = precision,
                      .data_bytes = layout_of(unit, precision).bytes,
                      .checksum = "0000000000000000"};
  file.data_offset = packed_front(unit, file, kFingerprint).size();
  return file;
}

TEST(PackedUnit, ItsTensorsAreTheLayoutToTheLastByte) {
  for (const ModelSpec& model : models())
    for (const UnitSpec* unit : model.units())
      for (const Precision precision : kStored) {
        SCOPED_TRACE(unit->name + " " + std::string(precision_name(precision)));
        const UnitLayout layout = layout_of(*unit, precision);
        uint64_t end = 0;
        std::set<std::string> names;
        size_t weights = 0;
        for (const TensorEntry& entry : packed_tensors(*unit, precision)) {
          EXPECT_EQ(entry.offset, end);
          EXPECT_TRUE(names.insert(entry.name).second) << entry.name;
          end += checked_tensor_bytes(entry.shape, dtype_bytes(entry.dtype)).value();
          EXPECT_EQ(entry.offset + entry.bytes, end);
          if (entry.name.ends_with(".padding")) continue;
          EXPECT_EQ(entry.name, unit->weights[weights].name);
          EXPECT_EQ(entry.offset, layout.offsets[weights++]);
        }
        EXPECT_EQ(end, layout.bytes);
        EXPECT_EQ(weights, unit->weights.size());
      }
}

TEST(PackedUnit, EachUnitHasAFileOfItsOwn) {
  for (const ModelSpec& model : models()) {
    std::set<std::string> names;
    for (const UnitSpec* unit : model.units())
      EXPECT_TRUE(names.insert(packed_file_name(*unit)).second);
  }
}

TEST(PackedUnit, ItsFrontIsWholePagesAndAsLongWhateverTheChecksum) {
  const ModelSpec model = models().front();
  PackedUnitFile file = file_of(model.layers[1], Precision::kInt4);
  EXPECT_EQ(file.data_offset % kPackedAlignment, 0U);
  file.checksum = "ffffffffffffffff";
  EXPECT_EQ(packed_front(model.layers[1], file, kFingerprint).size(), file.data_offset);
}

TEST(PackedUnit, SaysWhatInAFileIsNotTheUnits) {
  const TempFolder folder;
  const ModelSpec model = models().front();
  const UnitSpec& unit = model.layers[1];
  const PackedUnitFile file = file_of(unit, Precision::kBF16);
  const std::string front = packed_front(unit, file, kFingerprint);
  const std::string data(file.data_bytes, '\0');
  const auto refusal = [&](const std::string& bytes) {
    const std::string path = folder.write("f.safetensors", bytes);
    return error_of([&] { check_packed_file(path, unit, file, kFingerprint); });
  };
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string other = front;
    const size_t at = other.find(from);
    EXPECT_NE(at, other.npos) << from;
    EXPECT_EQ(from.size(), to.size());
    return other.replace(at, from.size(), to) + data;
  };
  EXPECT_EQ(refusal(front + data), "no error");
  EXPECT_THAT(refusal((front + data).substr(0, front.size() + 100)),
              AllOf(StartsWith(folder.path("f.safetensors: size: expected ")),
                    HasSubstr(fmt::format("found {} bytes", front.size() + 100)),
                    HasSubstr("pack it again")));
  EXPECT_THAT(refusal(front + data + "x"), HasSubstr("size"));
  EXPECT_THAT(refusal(changed("{", "[")), HasSubstr("a JSON object"));
  EXPECT_THAT(refusal(changed("\"layer 1\"", "\"layer 2\"")),
              HasSubstr("unit: expected \"layer 1\", found \"layer 2\""));
  EXPECT_THAT(refusal(changed("\"bf16\"", "\"int8\"")),
              HasSubstr("precision: expected \"bf16\", found \"int8\""));
  EXPECT_THAT(refusal(changed("\"layout_version\":\"2\"", "\"layout_version\":\"1\"")),
              HasSubstr("layout_version: expected \"2\", found \"1\" (pack it again)"));
  EXPECT_THAT(refusal(changed("\"format_version\":\"1\"", "\"format_version\":\"7\"")),
              HasSubstr("format_version"));
  EXPECT_THAT(refusal(changed(kFingerprint, "fedcba9876543210")), HasSubstr("source"));
  EXPECT_THAT(refusal(changed("0000000000000000", "0000000000000001")), HasSubstr("xxh3"));
  EXPECT_THAT(refusal(changed("\"source\"", "\"sourcf\"")),
              HasSubstr("source: expected \"0123456789abcdef\", found none"));
  EXPECT_THAT(refusal(changed("\"qkv\"", "\"qkw\"")),
              HasSubstr("tensors: expected qkv, found qkw"));
  EXPECT_THAT(refusal(changed("\"BF16\"", "\"F16\" ")), HasSubstr("expected bf16 ["));
}

// A file of another layout must never be read as one of this. When this test fails and the kernels
// do read weights in another way than before, raise kUnitLayoutVersion and record what the test
// finds; when only the choice of scales changed, record alone.
TEST(PackedUnit, TheLayoutVersionIsRaisedWithTheLayout) {
  EXPECT_EQ(kUnitLayoutVersion, 2);
  const DecoderConfig config{.hidden = 90,
                             .intermediate = 77,
                             .layers = 1,
                             .heads = 5,
                             .kv_heads = 1,
                             .head_dim = 18,
                             .vocab = 50};
  const UnitSpec unit = layer_unit(config, 0);
  const auto device = open_virtual_device({.name = "cpu:0", .budget_bytes = 1 << 20});
  std::string found;
  for (const Precision precision : kStored) {
    const UnitLayout layout = layout_of(unit, precision);
    const DeviceBuffer buffer = device->allocate(layout.bytes, MemoryKind::kWeights, "unit");
    std::memset(buffer.data(), 0, layout.bytes);
    const UnitWeights weights(unit, precision, *device, buffer.data());
    for (const WeightSpec& weight : unit.weights) {
      std::vector<float> values(static_cast<size_t>(weight.rows * weight.cols));
      for (size_t i = 0; i < values.size(); ++i)
        values[i] = static_cast<float>(static_cast<int>(i * 37 % 101) - 50) / 64;
      if (weight.form == WeightForm::kMatrix) {
        pack_padding(weights.matrix(weight.name));
        pack_rows(weights.matrix(weight.name), 0, weight.rows, values.data(), DType::kF32);
      } else {
        std::memcpy(weights.vector(weight.name).data, values.data(), values.size() * sizeof(float));
      }
    }
    Checksum checksum;
    checksum.add({static_cast<const std::byte*>(buffer.data()), layout.bytes});
    found += fmt::format("{} {}\n", precision_name(precision), checksum.text());
  }
  EXPECT_EQ(found,
            "f32 65caacefd19aa6ed\n"
            "bf16 b70374b3081eb81f\n"
            "int8 b0008a5cbd09a7ad\n"
            "int6 7b283b9c211677d8\n"
            "int5 ec79ffb98a94c34d\n"
            "int4 0f45d1f8cbc5143b\n");
}

}  // namespace
}  // namespace tessera
