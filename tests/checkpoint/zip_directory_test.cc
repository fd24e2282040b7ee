#include "checkpoint/zip_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/checkpoint/zip_builder.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::HasSubstr;

std::string zip_refusal(const std::string& bytes) {
  return error_of([&] { read_zip_directory(MemorySource("f.bin", bytes)); });
}

std::string zip_refusal(const ZipFile& second, const ZipEnd& end = {}) {
  return zip_refusal(build_zip({{.name = "a/data.pkl", .data = "pickle"}, second}, end));
}

const ZipFile kGood = {.name = "a/data/0", .data = "payload"};

TEST(ZipDirectory, FindsNamesAndPayloads) {
  for (const bool zip64 : {true, false}) {
    const std::string bytes =
        build_zip({{.name = "a/data.pkl", .data = "pickle"}, kGood}, {.zip64 = zip64});
    const auto entries = read_zip_directory(MemorySource("f", bytes));
    ASSERT_EQ(entries.size(), 2U);
    EXPECT_EQ(entries[1].name, "a/data/0");
    EXPECT_EQ(entries[1].offset % 64, 0U);
    EXPECT_EQ(bytes.substr(entries[1].offset, entries[1].bytes), "payload");
  }
  EXPECT_TRUE(read_zip_directory(MemorySource("f", build_zip({}))).empty());
}

TEST(ZipDirectory, TakesLocalHeadersWithSizesAndWithout) {
  ZipFile full = kGood;
  full.flags = 0;
  full.local_bytes = 7;
  full.crc = full.local_crc = 0x12345678;
  EXPECT_EQ(zip_refusal(full), "no error");
  full.local_bytes = 8;
  EXPECT_THAT(zip_refusal(full), HasSubstr("a local header that agrees"));
  full.local_bytes = 7;
  full.local_crc = 1;
  EXPECT_THAT(zip_refusal(full), HasSubstr("a local header that agrees"));
  full.local_crc = 0;  // "follows" only with bit 3
  EXPECT_THAT(zip_refusal(full), HasSubstr("a local header that agrees"));
}

TEST(ZipDirectory, RefusesEntriesThatReadersMaySeeDifferently) {
  const auto changed = [](auto change) {
    ZipFile file = kGood;
    change(file);
    return zip_refusal(file);
  };
  EXPECT_EQ(changed([](ZipFile&) {}), "no error");
  EXPECT_THAT(changed([](ZipFile& f) { f.name = "a/data.pkl"; }),
              HasSubstr("a/data.pkl: expected each name once"));
  EXPECT_THAT(changed([](ZipFile& f) { f.method = 8; }), HasSubstr("found method 8"));
  EXPECT_THAT(changed([](ZipFile& f) { f.local_method = 8; }), HasSubstr("a local header"));
  EXPECT_THAT(changed([](ZipFile& f) { f.flags = 0x0809; }),
              HasSubstr("found 0x0809 (encrypted?)"));
  EXPECT_THAT(changed([](ZipFile& f) { f.flags = 0x2808; }), HasSubstr("found 0x2808"));
  EXPECT_THAT(changed([](ZipFile& f) { f.local_flags = 0x0809; }), HasSubstr("a local header"));
  EXPECT_THAT(changed([](ZipFile& f) { f.local_name = "a/data/1"; }),
              HasSubstr("the same name in its local header, found \"a/data/1\""));
  EXPECT_THAT(changed([](ZipFile& f) { f.local_name = "a/data/00"; }), HasSubstr("the same name"));
  EXPECT_THAT(changed([](ZipFile& f) { f.listed_plain_bytes = 6; }), HasSubstr("one size"));
}

TEST(ZipDirectory, RefusesRangesOutsideTheFileOrOfAnother) {
  const auto changed = [](auto change) {
    ZipFile file = kGood;
    change(file);
    return zip_refusal(file);
  };
  EXPECT_THAT(changed([](ZipFile& f) { f.listed_bytes = 100'000; }),
              HasSubstr("ends before the zip directory"));
  EXPECT_THAT(changed([](ZipFile& f) { f.header_offset = 0; }), HasSubstr("do not overlap"));
  EXPECT_THAT(changed([](ZipFile& f) { f.header_offset = 0xfffffff0; }),
              HasSubstr("do not overlap"));
  // The first entry's payload reaches over the second's header.
  EXPECT_THAT(
      zip_refusal(build_zip({{.name = "a", .data = "12345678", .listed_bytes = 40}, kGood})),
      HasSubstr("do not overlap"));
  // The header would be read from the directory itself.
  const std::string good = build_zip({kGood});
  const auto directory = static_cast<uint32_t>(good.find("PK\x01\x02"));
  EXPECT_THAT(
      zip_refusal(build_zip({{.name = "a/data/0", .data = "payload", .header_offset = directory}})),
      HasSubstr("a local header that agrees"));
}

TEST(ZipDirectory, RefusesZip64ValuesWithoutNeedAndNeedWithoutThem) {
  const auto with_extra = [](std::optional<uint32_t> listed, uint16_t id, uint16_t length,
                             const std::vector<uint64_t>& values) {
    ZipFile file = kGood;
    file.listed_bytes = listed;
    put(file.extra, id, 2), put(file.extra, length, 2);
    for (const uint64_t value : values) put(file.extra, value, 8);
    return zip_refusal(file);
  };
  const uint32_t see64 = 0xffffffff;
  EXPECT_EQ(with_extra(see64, 1, 16, {7, 7}), "no error");
  EXPECT_EQ(with_extra({}, 0x4246, 8, {0}), "no error");  // another kind of field
  EXPECT_THAT(with_extra(see64, 1, 16, {7, 8}), HasSubstr("found 7 and 8 bytes"));
  EXPECT_THAT(with_extra(see64, 1, 8, {7}), HasSubstr("ZIP64 extra field: expected 8 bytes"));
  EXPECT_THAT(with_extra(see64, 1, 24, {7, 7, 0}), HasSubstr("values for 0xffffffff only"));
  EXPECT_THAT(with_extra({}, 1, 16, {7, 7}), HasSubstr("values for 0xffffffff only"));
  EXPECT_THAT(with_extra(see64, 2, 16, {7, 7}), HasSubstr("a ZIP64 field for 0xffffffff"));
  EXPECT_THAT(with_extra(see64, 1, 16, {UINT64_MAX, UINT64_MAX}), HasSubstr("ends before"));
  EXPECT_THAT(with_extra({}, 1, 40, {}), HasSubstr("zip extra fields: expected 40 bytes"));
}

TEST(ZipDirectory, RefusesASecondPlaceToLookForTheDirectory) {
  EXPECT_EQ(zip_refusal(kGood, {}), "no error");
  EXPECT_THAT(zip_refusal(kGood, {.comment = "hello"}),
              HasSubstr("no zip end record in the last 22"));
  // A comment that is itself an end record, with a directory of its own.
  EXPECT_THAT(zip_refusal(kGood, {.comment = build_zip({}, {.zip64 = false})}),
              HasSubstr("zip directory: expected one that ends at the end records"));
  EXPECT_THAT(zip_refusal(kGood, {.before_end = "x"}), HasSubstr("ends at the end records"));
  EXPECT_THAT(zip_refusal(kGood, {.directory_shift = -1}), HasSubstr("ends at the end records"));
  EXPECT_THAT(zip_refusal(kGood, {.zip64 = false, .directory_shift = 1}), HasSubstr("end records"));
  EXPECT_THAT(zip_refusal(kGood, {.end64_shift = -1}), HasSubstr("the end record right before it"));
  EXPECT_THAT(zip_refusal(kGood, {.entries32 = 3}), HasSubstr("two that differ"));
  EXPECT_EQ(zip_refusal(kGood, {.entries32 = 0xffff}), "no error");
  EXPECT_THAT(zip_refusal(kGood, {.extra_entries = 1}), HasSubstr("zip directory"));
  EXPECT_THAT(zip_refusal(kGood, {.extra_entries = -1}), HasSubstr("nothing after the last entry"));
  EXPECT_THAT(zip_refusal(kGood, {.extra_entries = int64_t{1} << 60, .entries32 = 0xffff}),
              HasSubstr("entries"));
}

TEST(ZipDirectory, RefusesWhatIsNoZip) {
  EXPECT_THAT(zip_refusal(std::string()), HasSubstr("found 0 bytes (truncated?)"));
  EXPECT_THAT(zip_refusal(std::string(22, 'x')), HasSubstr("a zip archive of torch.save"));
  const std::string good = build_zip({kGood});
  for (size_t length = 0; length < good.size(); ++length)
    EXPECT_NE(zip_refusal(good.substr(0, length)), "no error") << length;
}

}  // namespace
}  // namespace tessera
