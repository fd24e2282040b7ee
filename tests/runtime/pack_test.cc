// Packed copies from their making to the answers that they give.

#include "tessera/pack.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <map>

#include "base/file.h"
#include "base/json.h"
#include "model/packed_unit.h"
#include "runtime/model_weights.h"
#include "tests/runtime/goldens.h"
#include "tests/support/error_of.h"
#include "tests/support/sanitized.h"
#include "tests/support/temp_folder.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;
namespace fs = std::filesystem;

constexpr const char* kPrecisions6[] = {"f32", "bf16", "int8", "int6", "int5", "int4"};

std::string pack_tiny(const TempFolder& folder, const std::string& precision = "bf16",
                      const std::string& checkpoint = "yi_vl_tiny") {
  std::string out = folder.path(checkpoint + "-" + precision);
  pack_model({.model_path = golden_dir(checkpoint), .out = out, .precision = precision});
  return out;
}

std::map<std::string, std::string> content_of(const std::string& dir) {
  std::map<std::string, std::string> files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(dir))
    if (entry.is_regular_file())
      files[fs::relative(entry.path(), dir).string()] = read_file(entry.path().string(), 64 << 20);
  return files;
}

void flip(const std::string& path, uint64_t offset) {
  std::string bytes = read_file(path, 64 << 20);
  bytes[offset] ^= 1;
  write_file_atomic(path, bytes);
}

// The copy's line of error, of an engine and of its plan alike.
std::string start_error(const std::string& dir, const std::string& precision = "auto") {
  const EngineOptions options{.model_path = dir, .devices = "cpu@64MiB", .precision = precision};
  return error_of([&] { Engine::create(options); });
}

TEST(Pack, AnswersAsTheOriginalBitForBitOnOneDeviceAndOnThree) {
  for (const std::string checkpoint : {"yi_vl_odd", "yi_vl_tiny", "llama_tiny"}) {
    if (kSanitized && checkpoint != "yi_vl_odd") continue;
    const std::vector<GoldenCase> cases = read_goldens(checkpoint);
    for (const char* precision : kPrecisions6) {
      const TempFolder folder;
      const std::string packed = pack_tiny(folder, precision, checkpoint);
      for (const char* devices : {"cpu@64MiB", "3xcpu@32MiB"}) {
        SCOPED_TRACE(fmt::format("{} {} {}", checkpoint, precision, devices));
        EngineOptions options{
            .model_path = golden_dir(checkpoint), .devices = devices, .precision = precision};
        const auto original = Engine::create(options);
        options.model_path = packed;
        options.precision = "auto";
        const auto copy = Engine::create(options);
        EXPECT_EQ(copy->plan().head_precision, original->plan().head_precision);
        EXPECT_GT(copy->loaded_bytes(), 0U);
        for (size_t i = 0; i < cases.size(); i += 5) {
          const Answer want = original->generate(request_of(cases[i], 0));
          const Answer got = copy->generate(request_of(cases[i], 0));
          EXPECT_EQ(got.token_ids, want.token_ids);
          EXPECT_EQ(got.first_logits, want.first_logits);
        }
        const std::vector<DeviceReport> wants = original->devices(), gots = copy->devices();
        ASSERT_EQ(gots.size(), wants.size());
        for (size_t i = 0; i < gots.size(); ++i) {
          EXPECT_EQ(gots[i].planned_bytes, wants[i].planned_bytes);
          EXPECT_EQ(gots[i].measured_peak_bytes, gots[i].planned_bytes);
        }
      }
    }
  }
}

TEST(Pack, EveryByteIsTheLoadersAndIsMappedNotCopied) {
  for (const char* checkpoint : {"yi_vl_tiny", "llama_tiny"})  // the second has tied embeddings
    for (const char* name : kPrecisions6) {
      SCOPED_TRACE(fmt::format("{} {}", checkpoint, name));
      const TempFolder folder;
      const std::string dir = pack_tiny(folder, name, checkpoint);
      const ModelSpec model = read_model(golden_dir(checkpoint)), copy = read_model(dir);
      const CheckpointWeights weights = CheckpointWeights::open(model.config);
      const PackedModel packed = PackedModel::open(copy, *find_packed_manifest(dir));
      const auto device = open_virtual_device({.name = "cpu:0", .budget_bytes = 64 << 20});
      for (const UnitSpec* unit : model.units()) {
        const Precision precision = stored_precision(unit->kind, *parse_precision(name));
        const uint64_t bytes = layout_of(*unit, precision).bytes;
        const DeviceBuffer loaded = device->allocate(bytes, MemoryKind::kWeights, "loaded");
        std::memset(loaded.data(), 0, bytes);
        weights.load({{unit, precision, device.get(), loaded.data()}}, {}, {}, nullptr);
        const DeviceBuffer mapped = packed.adopt(*unit, precision, *device);
        EXPECT_EQ(std::memcmp(mapped.data(), loaded.data(), bytes), 0) << unit->name;
        EXPECT_EQ(reinterpret_cast<uintptr_t>(mapped.data()) % kPackedAlignment, 0U);
        EXPECT_EQ(device->ledger().used_bytes(MemoryKind::kWeights), 2 * loaded.bytes());
      }
    }
}

TEST(Pack, ABudgetIsHeldWithMappedWeightsToo) {
  const TempFolder folder;
  const EngineOptions options{.model_path = pack_tiny(folder), .devices = "cpu@500KiB"};
  EXPECT_THAT(error_of([&] { Engine::create(options); }), HasSubstr("more memory is needed"));
}

TEST(Pack, IsReadableForOthersAndSaysWhatItIs) {
  const TempFolder folder;
  const std::string dir = pack_tiny(folder, "int4");
  const Json json = read_json_file(dir + "/tessera.json", 1 << 20);
  EXPECT_EQ(json["precision"], "int4");
  EXPECT_EQ(json["source"]["name"], "yi_vl_tiny");
  for (const Json& unit : json["units"]) {
    const std::string name = unit["unit"], precision = unit["precision"];
    EXPECT_EQ(precision, name.starts_with("layer") ? "int4" : name == "head" ? "int8" : "bf16");
    EXPECT_EQ(fs::file_size(dir + "/" + unit["file"].get<std::string>()),
              unit["data_offset"].get<uint64_t>() + unit["data_bytes"].get<uint64_t>());
  }
  EXPECT_FALSE(file_exists(dir + "/tessera.packing.json"));
  const PackResult checked = check_packed_model(dir);
  EXPECT_EQ(checked.precision, Precision::kInt4);
  EXPECT_EQ(checked.files, static_cast<int>(json["units"].size()));
}

TEST(Pack, AutoIsTheModelsOwnPrecision) {
  const TempFolder folder;
  EXPECT_EQ(pack_model({.model_path = golden_dir("yi_vl_odd"), .out = folder.path("a")}).precision,
            Precision::kBF16);
  const std::string own = "torch_dtype";
  const Json config = read_json_file(golden_dir("yi_vl_tiny") + "/config.json", 1 << 20);
  EXPECT_EQ(pack_model({.model_path = golden_dir("yi_vl_tiny"), .out = folder.path("b")}).precision,
            config[own] == "float32" ? Precision::kF32 : Precision::kBF16);
}

TEST(Pack, ThePrecisionIsTheOneThatIsStored) {
  const TempFolder folder;
  const std::string dir = pack_tiny(folder, "int5");
  EXPECT_THAT(start_error(dir, "int4"),
              AllOf(HasSubstr("tessera.json: precision: expected int5 or auto"),
                    HasSubstr("found --precision int4"), HasSubstr("yi_vl_tiny")));
  EXPECT_EQ(start_error(dir, "int5"), "no error");
  const Plan plan = plan_model({.model_path = dir, .devices = "3xcpu@32MiB"});
  for (const PlanStage& stage : plan.stages)
    EXPECT_THAT(stage.precisions, testing::Each(Precision::kInt5));
  const Plan cards = plan_model({.model_path = dir, .devices = "2x24GiB"});  // imagined
  EXPECT_EQ(cards.stages.front().precisions.front(), Precision::kInt5);
  EXPECT_THAT(
      error_of([&] { plan_model({.model_path = dir, .devices = "2x24GiB", .precision = "bf16"}); }),
      HasSubstr("--precision bf16"));

  // A plan made for the original, with other precisions.
  EngineOptions options{.model_path = golden_dir("yi_vl_tiny"), .devices = "cpu@64MiB"};
  options.plan_file = folder.write("plan.json", plan_to_text(plan_model(options)));
  options.model_path = dir;
  EXPECT_THAT(error_of([&] { Engine::create(options); }),
              AllOf(HasSubstr("plan.json"), HasSubstr("not one of the precisions allowed")));
}

// Begins a copy in `out` and stops it at the unit whose file is `blocked`.
void stop_at(const std::string& out, const std::string& blocked) {
  const PackOptions options{
      .model_path = golden_dir("yi_vl_tiny"), .out = out, .precision = "int8"};
  CancelFlag cancel;
  cancel.cancel();
  EXPECT_THROW(pack_model(options, &cancel), Cancelled);
  fs::create_directories(out + "/" + blocked + ".part");  // where the file would be written
  EXPECT_THAT(error_of([&] { pack_model(options); }), HasSubstr(blocked + ".part: cannot create"));
  fs::remove(out + "/" + blocked + ".part");
}

TEST(Pack, GoesOnWhereItStopped) {
  const TempFolder folder;
  const std::string whole = pack_tiny(folder, "int8"), out = folder.path("out");
  const PackOptions options{
      .model_path = golden_dir("yi_vl_tiny"), .out = out, .precision = "int8"};
  stop_at(out, "layer-001.safetensors");
  EXPECT_THAT(start_error(out), HasSubstr("tessera.packing.json: this copy was not packed to its "
                                          "end (the same tessera pack command goes on"));
  folder.write("out/head.safetensors.part", "what a crash left of a file");
  EXPECT_EQ(pack_model(options).kept_files, 3);  // vision, embedding, layer 0
  EXPECT_EQ(content_of(out), content_of(whole));

  // Once it is whole, the same command finds all of it, and mends what was damaged.
  const int files = check_packed_model(out).files;
  EXPECT_EQ(pack_model(options).kept_files, files);
  flip(out + "/layer-000.safetensors", 5000);
  flip(out + "/vision.safetensors", 100);  // in the header
  fs::resize_file(out + "/head.safetensors", 5000);
  EXPECT_EQ(pack_model(options).kept_files, files - 3);
  EXPECT_EQ(content_of(out), content_of(whole));
}

TEST(Pack, TellsHowFarItIs) {
  const TempFolder folder;
  PackOptions options{.model_path = golden_dir("yi_vl_tiny"), .out = folder.path("out")};
  uint64_t done = 0, total = 0;
  options.on_progress = [&](uint64_t now, uint64_t all, double) {
    EXPECT_GE(now, done);
    done = now;
    total = all;
  };
  for (const int time : {1, 2}) {
    done = 0;
    EXPECT_EQ(pack_model(options).bytes, total) << time;
    EXPECT_EQ(done, total);
  }
}

TEST(Pack, TouchesNoFolderThatItDidNotBegin) {
  const TempFolder folder;
  const auto error = [&](const std::string& out, const std::string& precision = "bf16",
                         const std::string& checkpoint = "yi_vl_tiny") {
    return error_of([&] {
      pack_model({.model_path = golden_dir(checkpoint), .out = out, .precision = precision});
    });
  };
  folder.write("mine/letter.txt", "dear");
  EXPECT_THAT(error(folder.path("mine")),
              AllOf(HasSubstr("expected an empty folder"), HasSubstr("letter.txt")));
  EXPECT_EQ(content_of(folder.path("mine")).size(), 1U);
  EXPECT_THAT(error(folder.write("file", "")), HasSubstr("file: cannot make the folder"));

  const std::string packed = pack_tiny(folder);
  EXPECT_THAT(error(packed, "int4"), AllOf(HasSubstr("found a copy of yi_vl_tiny in bf16"),
                                           HasSubstr("choose another folder")));
  EXPECT_THAT(error(packed, "bf16", "llama_tiny"), HasSubstr("found a copy of yi_vl_tiny"));
  EXPECT_EQ(error_of([&] { check_packed_model(packed); }), "no error");
  stop_at(folder.path("out"), "layer-001.safetensors");
  EXPECT_THAT(error(folder.path("out"), "bf16"), HasSubstr("found a copy of yi_vl_tiny in int8"));

  EXPECT_THAT(error_of([&] { pack_model({.model_path = packed, .out = folder.path("again")}); }),
              AllOf(HasSubstr("a copy packed in bf16"), HasSubstr("pack the original")));
  EXPECT_THAT(error(folder.path("fp8"), "fp8"), HasSubstr("kernels for fp8"));
  EXPECT_FALSE(fs::exists(folder.path("fp8")));
}

// A fine-tune has the names, types and shapes of its original.
TEST(Pack, DoesNotMixTheUnitsOfTwoModels) {
  const TempFolder folder;
  const std::string tuned = folder.path("tuned"), out = folder.path("out");
  fs::copy(golden_dir("llama_tiny"), tuned, fs::copy_options::recursive);
  const PackOptions options{.model_path = tuned, .out = out};
  pack_model(options);
  EXPECT_EQ(pack_model({.model_path = golden_dir("llama_tiny"), .out = out}).kept_files,
            check_packed_model(out).files);  // another name, the same model
  const TensorIndex index = TensorIndex::open(tuned);
  const TensorEntry& entry = index.at("model.layers.1.mlp.down_proj.weight");
  flip(entry.file, entry.offset + entry.bytes / 2);
  EXPECT_THAT(error_of([&] { pack_model(options); }), HasSubstr("choose another folder"));
}

TEST(Pack, DamageOfEachKindIsOneLine) {
  const TempFolder folder;
  const std::string dir = pack_tiny(folder);
  const std::map<std::string, std::string> whole = content_of(dir);
  const auto mend = [&] {
    fs::remove_all(dir);
    for (const auto& [name, content] : whole)
      folder.write(fs::path(dir).filename().string() + "/" + name, content);
  };
  const auto error_when = [&](const std::function<void()>& damage) {
    mend();
    damage();
    std::string error = start_error(dir);
    EXPECT_EQ(error.find('\n'), error.npos);
    return error;
  };
  EXPECT_EQ(error_when([] {}), "no error");
  const std::string layer = dir + "/layer-001.safetensors", manifest = dir + "/tessera.json";
  EXPECT_THAT(error_when([&] { fs::resize_file(layer, fs::file_size(layer) - 64); }),
              AllOf(HasSubstr(layer + ": size: expected"), HasSubstr("pack it again")));
  EXPECT_THAT(error_when([&] { fs::resize_file(layer, 10); }), HasSubstr(layer + ": size"));
  EXPECT_THAT(error_when([&] { flip(layer, 8); }), HasSubstr(layer + ": header"));
  EXPECT_THAT(error_when([&] { flip(layer, 7); }), HasSubstr(layer + ": header length"));
  EXPECT_THAT(error_when([&] { fs::remove(layer); }),
              HasSubstr(layer + ": cannot open: No such file"));
  EXPECT_THAT(error_when([&] { fs::remove(manifest); }),
              HasSubstr(manifest + ": expected the manifest of this packed copy"));
  EXPECT_THAT(error_when([&] {
                fs::copy_file(dir + "/layer-000.safetensors", layer,
                              fs::copy_options::overwrite_existing);
              }),
              HasSubstr(layer + ": unit: expected \"layer 1\", found \"layer 0\""));
  EXPECT_THAT(error_when([&] { write_file_atomic(manifest, "{}"); }), HasSubstr("format"));

  const auto with_manifest = [&](const std::function<void(Json&)>& change) {
    return error_when([&] {
      Json json = read_json_file(manifest, 1 << 20);
      change(json);
      write_file_atomic(manifest, json.dump());
    });
  };
  EXPECT_THAT(with_manifest([](Json& json) { json["format_version"] = 0; }),
              HasSubstr("tessera.json: format_version: expected 1, found 0 (pack it again"));
  EXPECT_THAT(with_manifest([](Json& json) { json["layout_version"] = 0; }),
              AllOf(HasSubstr("tessera.json: layout_version: expected 2, found 0"),
                    HasSubstr("pack it again")));
  EXPECT_THAT(with_manifest([](Json& json) { json["units"].erase(2); }),
              HasSubstr("tessera.json: units: expected layer 0, found none"));
  EXPECT_THAT(with_manifest([](Json& json) { json["units"][2]["precision"] = "int8"; }),
              HasSubstr("layer 0: precision: expected bf16, found int8"));
  EXPECT_THAT(with_manifest([](Json& json) { json["units"][2]["data_bytes"] = 64; }),
              HasSubstr("layer 0: data_bytes"));
  EXPECT_THAT(with_manifest([](Json& json) { json["precision"] = "int4"; }),
              HasSubstr("precision: expected int4, found bf16"));
  EXPECT_THAT(with_manifest([](Json& json) { json["units"][2]["xxh3"] = "0000000000000000"; }),
              HasSubstr("xxh3"));
  EXPECT_THAT(with_manifest([](Json& json) { json["source"]["fingerprint"] = "0000000000000000"; }),
              HasSubstr("source"));
}

TEST(Pack, AFlippedBitIsFoundByTheCheck) {
  const TempFolder folder;
  const std::string dir = pack_tiny(folder);
  for (const auto& [name, content] : content_of(dir)) {
    if (name == "tessera.json") continue;
    SCOPED_TRACE(name);
    flip(dir + "/" + name, content.size() - 1);
    EXPECT_NE(error_of([&] { check_packed_model(dir); }), "no error");
    flip(dir + "/" + name, content.size() - 1);
  }
  EXPECT_EQ(error_of([&] { check_packed_model(dir); }), "no error");
  flip(dir + "/layer-000.safetensors", 4096 + 77);
  EXPECT_THAT(error_of([&] { check_packed_model(dir); }),
              AllOf(HasSubstr("layer-000.safetensors: checksum: expected"), HasSubstr("pack")));
  EXPECT_THAT(error_of([&] { check_packed_model(golden_dir("yi_vl_tiny")); }),
              HasSubstr("expected the manifest"));
}

TEST(Pack, AFileThatShrinksWhileItIsMappedIsAnErrorNotASignal) {
  const TempFolder folder;
  const std::string dir = pack_tiny(folder, "f32");
  const ModelSpec model = read_model(dir);
  const PackedModel packed = PackedModel::open(model, *find_packed_manifest(dir));
  const auto device = open_virtual_device({.name = "cpu:0", .budget_bytes = 64 << 20});
  const DeviceBuffer head = packed.adopt(model.head, Precision::kF32, *device);
  const std::vector<LoadTarget> targets = {
      {&model.head, Precision::kF32, device.get(), head.data()}};
  EXPECT_EQ(packed.load(targets, {}, {}, nullptr).bytes_read,
            layout_of(model.head, Precision::kF32).bytes);
  CancelFlag cancel;
  cancel.cancel();
  EXPECT_THROW(packed.load(targets, {}, {}, &cancel), Cancelled);

  fs::resize_file(dir + "/head.safetensors", 4096);
  EXPECT_THAT(error_of([&] { packed.load(targets, {}, {}, nullptr); }),
              HasSubstr("head.safetensors: the file has shrunk"));
  EXPECT_THAT(error_of([&] { packed.adopt(model.head, Precision::kF32, *device); }),
              HasSubstr("head.safetensors: size"));
  EXPECT_THAT(error_of([&] { packed.adopt(model.embedding, Precision::kBF16, *device); }),
              HasSubstr("precision: expected f32, as it is stored, found bf16 in the plan"));
}

TEST(Pack, OtherDevicesTakeACopy) {
  const TempFolder folder;
  const std::string dir = pack_tiny(folder);
  const ModelSpec model = read_model(dir);
  const PackedModel packed = PackedModel::open(model, *find_packed_manifest(dir));
  const auto device = open_simulated_device({.name = "sim:0", .budget_bytes = 64 << 20});
  const DeviceBuffer head = packed.adopt(model.head, Precision::kBF16, *device);
  EXPECT_EQ(head.data(), nullptr);
  EXPECT_EQ(device->ledger().used_bytes(MemoryKind::kWeights), head.bytes());
  EXPECT_EQ(packed.load({{&model.head, Precision::kBF16, device.get(), nullptr}}, {}, {}, nullptr)
                .bytes_read,
            0U);
}

}  // namespace
}  // namespace tessera
