// The files under data/ were written by torch and safetensors themselves, with
// tools/checkpoints/format_goldens.py, which also recorded what is in them.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/file.h"
#include "base/json.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/torch_bin.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::HasSubstr;
using testing::UnorderedElementsAreArray;

const std::string kData = TESSERA_CHECKPOINT_DATA;

FileTensors read(const ByteSource& source) {
  return source.name().ends_with(".bin") ? read_torch_bin(source) : read_safetensors(source);
}

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return out;
}

TEST(GenuineFiles, HoldWhatTheLibrariesPutIn) {
  const Json manifest = read_json_file(kData + "/manifest.json", 1 << 20);
  ASSERT_GE(manifest.size(), 15U);
  for (const auto& [file, expected] : manifest.items()) {
    SCOPED_TRACE(file);
    const FileSource source(kData + "/" + file);
    if (expected.contains("error")) {
      EXPECT_THAT(error_of([&] { read(source); }), HasSubstr(expected["error"].get<std::string>()));
      continue;
    }
    const FileTensors got = read(source);
    ASSERT_EQ(got.entries.size(), expected["tensors"].size());
    for (const Json& tensor : expected["tensors"]) {
      const auto it =
          std::ranges::find(got.entries, tensor["name"].get<std::string>(), &TensorEntry::name);
      ASSERT_NE(it, got.entries.end()) << tensor["name"];
      EXPECT_EQ(dtype_name(it->dtype), tensor["dtype"].get<std::string>());
      EXPECT_EQ(it->shape, tensor["shape"].get<std::vector<int64_t>>());
      EXPECT_EQ(hex(source.read(it->offset, it->bytes)), tensor["hex"].get<std::string>());
    }
    std::vector<std::string> unreadable;
    for (const UnreadableTensor& tensor : got.unreadable) unreadable.push_back(tensor.name);
    EXPECT_THAT(unreadable,
                UnorderedElementsAreArray(expected["unreadable"].get<std::vector<std::string>>()));
  }
}

// What a damaged file still yields must lie inside it; anything else must be an Error.
void expect_error_or_tensors_inside(const std::string& name, const std::string& bytes) {
  try {
    for (const TensorEntry& e : read(MemorySource(name, bytes)).entries) {
      ASSERT_LE(e.offset, bytes.size());
      ASSERT_LE(e.bytes, bytes.size() - e.offset);
    }
  } catch (const Error&) {  // the answer to most damage
  }
}

TEST(GenuineFiles, CutAnywhereAreRefused) {
  for (const char* name : {"module.bin", "no_checksums.bin", "every_type.safetensors"}) {
    const std::string whole = read_file(kData + "/" + name, 1 << 20);
    EXPECT_EQ(error_of([&] { read(MemorySource(name, whole)); }), "no error");
    for (size_t length = 0; length < whole.size(); ++length)
      EXPECT_NE(error_of([&] { read(MemorySource(name, whole.substr(0, length))); }), "no error")
          << name << " cut at " << length;
  }
}

// Without checksums, so that changes reach the pickle's reader.
TEST(GenuineFiles, WithOneByteChangedAreReadSafely) {
  for (const char* name : {"no_checksums.bin", "every_type.safetensors"}) {
    std::string bytes = read_file(kData + "/" + name, 1 << 20);
    for (char& byte : bytes) {
      const char good = byte;
      for (const int change : {1, 2, 8, 32, 128, 255}) {
        byte = static_cast<char>(good ^ change);
        expect_error_or_tensors_inside(name, bytes);
      }
      byte = good;
    }
  }
}

}  // namespace
}  // namespace tessera
