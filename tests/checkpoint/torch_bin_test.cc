#include "checkpoint/torch_bin.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/checkpoint/pickle_builder.h"
#include "tests/checkpoint/zip_builder.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_folder.h"

namespace tessera {
namespace {

using namespace pickle;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<ZipFile> files_of(const std::string& pickle, const std::string& storage0) {
  return {{.name = "m/data.pkl", .data = pickle},
          {.name = "m/byteorder", .data = "little"},
          {.name = "m/data/0", .data = storage0},
          {.name = "m/version", .data = "3\n"}};
}

std::string refusal(const std::vector<ZipFile>& files) {
  const std::string bytes = build_zip(files);
  return error_of([&] { read_torch_bin(MemorySource("f.bin", bytes)); });
}

// A tensor of 3 f32 in a file whose storage 0 has 12 bytes; each case is one thing wrong with it.
std::string refusal_of_tensor(const std::string& tensor_code) {
  return refusal(files_of(dict({{"t", tensor_code}}), std::string(12, '\0')));
}

TEST(TorchBin, PlacesViewsOfOneStorage) {
  const std::string s = storage("BFloat16Storage", "0", 6);
  const std::string bytes = build_zip(
      files_of(dict({{"late", tensor(s, 4, {2}, {1})}, {"early", tensor(s, 0, {2, 2}, {2, 1})}}),
               "abcdefghijkl"));
  const FileTensors got = read_torch_bin(MemorySource("f", bytes));
  ASSERT_EQ(got.entries.size(), 2U);
  const TensorEntry& early = got.entries[0];
  EXPECT_EQ(early.name, "early");
  EXPECT_EQ(early.dtype, DType::kBF16);
  EXPECT_THAT(early.shape, ElementsAre(2, 2));
  EXPECT_EQ(bytes.substr(early.offset, early.bytes), "abcdefgh");
  const TensorEntry& late = got.entries[1];
  EXPECT_EQ(bytes.substr(late.offset, late.bytes), "ijkl");
}

TEST(TorchBin, RefusesTensorsThatLeaveTheirStorage) {
  const std::string s = storage("FloatStorage", "0", 3);
  EXPECT_EQ(refusal_of_tensor(tensor(s, 0, {3}, {1})), "no error");
  EXPECT_EQ(refusal_of_tensor(tensor(s, 3, {0}, {1})), "no error");
  const std::string outside = "t: expected a tensor inside its storage of 3 items";
  EXPECT_THAT(refusal_of_tensor(tensor(s, 1, {3}, {1})), HasSubstr(outside));
  EXPECT_THAT(refusal_of_tensor(tensor(s, 4, {0}, {1})), HasSubstr(outside));
  EXPECT_THAT(refusal_of_tensor(tensor(s, 0, {4}, {1})), HasSubstr(outside));
  EXPECT_THAT(refusal_of_tensor(tensor(s, INT64_MAX, {1}, {1})), HasSubstr(outside));
  EXPECT_THAT(refusal_of_tensor(tensor(s, 0, {int64_t{1} << 62, 4}, {4, 1})), HasSubstr(outside));
  EXPECT_THAT(refusal_of_tensor(tensor(s, 0, {int64_t{1} << 32, int64_t{1} << 32}, {1, 1})),
              HasSubstr(outside));
}

TEST(TorchBin, RefusesStoragesOfAnotherLength) {
  EXPECT_THAT(refusal_of_tensor(tensor(storage("FloatStorage", "0", 4), 0, {3}, {1})),
              HasSubstr("4 items of torch.FloatStorage in data/0, found 12 bytes"));
  EXPECT_THAT(refusal_of_tensor(tensor(storage("FloatStorage", "0", INT64_MAX), 0, {3}, {1})),
              HasSubstr("found 12 bytes"));
  EXPECT_THAT(refusal_of_tensor(tensor(storage("FloatStorage", "1", 3), 0, {3}, {1})),
              HasSubstr("t: expected data/1 in the archive, found none"));
  EXPECT_THAT(refusal(files_of(dict({{"a", tensor(storage("FloatStorage", "0", 3), 0, {3}, {1})},
                                     {"b", tensor(storage("IntStorage", "0", 3), 0, {3}, {1})}}),
                               std::string(12, '\0'))),
              HasSubstr("b: expected one type for data/0, found two"));
}

TEST(TorchBin, RefusesStridesThatAreNotRowMajor) {
  const std::string s = storage("FloatStorage", "0", 3);
  EXPECT_THAT(refusal_of_tensor(tensor(s, 0, {3}, {2})),
              HasSubstr("contiguous f32 [3], found strides [2]"));
  EXPECT_THAT(refusal_of_tensor(tensor(s, 0, {3}, {0})), HasSubstr("found strides [0]"));
  EXPECT_EQ(refusal_of_tensor(tensor(s, 0, {1, 3, 1}, {99, 1, 0})), "no error");
}

TEST(TorchBin, NotesTypesItDoesNotRead) {
  const std::string bytes = build_zip(
      files_of(dict({{"d", tensor(storage("DoubleStorage", "0", 1), 0, {}, {})}}), "12345678"));
  const FileTensors got = read_torch_bin(MemorySource("f", bytes));
  EXPECT_TRUE(got.entries.empty());
  ASSERT_EQ(got.unreadable.size(), 1U);
  EXPECT_EQ(got.unreadable[0].dtype, "DoubleStorage");
}

TEST(TorchBin, RefusesArchivesOfAnotherLayout) {
  const std::string good = dict({{"t", small_tensor()}}), data(12, '\0');
  EXPECT_EQ(refusal(files_of(good, data)), "no error");
  const auto with = [&](const ZipFile& more) {
    std::vector<ZipFile> files = files_of(good, data);
    files.push_back(more);
    return refusal(files);
  };
  EXPECT_EQ(with({.name = "m/.data/serialization_id", .data = "1"}), "no error");
  const auto inside = "zip entry: expected a name inside \"m/\"";
  EXPECT_THAT(with({.name = "n/data/1"}), HasSubstr(inside));
  EXPECT_THAT(with({.name = "m"}), HasSubstr(inside));
  EXPECT_THAT(with({.name = "m/"}), HasSubstr(inside));
  EXPECT_THAT(with({.name = "m/../x"}), HasSubstr(inside));
  EXPECT_THAT(with({.name = "../m/x"}), HasSubstr(inside));
  EXPECT_THAT(with({.name = "/m/x"}), HasSubstr(inside));
  EXPECT_THAT(with({.name = "m/x\\y"}), HasSubstr(inside));
  EXPECT_THAT(with({.name = std::string("m/x\0y", 5)}), HasSubstr(inside));
  EXPECT_THAT(with({.name = "m/constants.pkl"}), HasSubstr("found a TorchScript program"));
  EXPECT_THAT(with({.name = "m/code/a.py"}), HasSubstr("found a TorchScript program"));

  EXPECT_THAT(refusal({{.name = "m/evil.pkl", .data = good}}), HasSubstr("m/data.pkl, found none"));
  EXPECT_THAT(refusal({{.name = "m/x/data.pkl", .data = good}}),
              HasSubstr("m/data.pkl, found none"));
  std::vector<ZipFile> files = files_of(good, data);
  files[1].data = "big";
  EXPECT_THAT(refusal(files), HasSubstr("m/byteorder: expected little"));
  files = files_of(good, data);
  files[0].crc = 0x12345678;
  EXPECT_THAT(refusal(files), HasSubstr("m/data.pkl: expected CRC-32 12345678"));
  files[0].crc = 0;
  EXPECT_EQ(refusal(files), "no error");
}

TEST(TorchBin, NamesTheFormatsItDoesNotRead) {
  const auto of = [](const std::string& bytes) {
    return error_of([&] { read_torch_bin(MemorySource("f.bin", bytes)); });
  };
  std::string tar(1024, '\0');
  tar.replace(257, 5, "ustar");
  EXPECT_THAT(of(tar), HasSubstr("found the tar format of torch before 0.4"));
  EXPECT_THAT(of("7z\xbc\xaf\x27\x1c" + std::string(30, 'x')), HasSubstr("found a 7z archive"));
  EXPECT_THAT(of("version https://git-lfs.github.com/spec/v1\n"), HasSubstr("Git LFS pointer"));
  EXPECT_EQ(of(""),
            "f.bin: expected a zip archive of torch.save, found something else (truncated, "
            "or not a checkpoint file?)");
}

// 5 GiB of storage, none of it on disk: a sparse file with the ZIP64 fields that torch writes
// when sizes and offsets leave 32 bits.
TEST(TorchBin, ReadsArchivesBeyond4GiB) {
  const int64_t items = int64_t{5} << 28;  // f32
  const uint64_t large = static_cast<uint64_t>(items) * 4;
  const std::string pickle =
      dict({{"t", tensor(storage("FloatStorage", "0", items), items - 3, {3}, {1})},
            {"u", tensor(storage("FloatStorage", "1", 3), 0, {3}, {1})}});
  const auto local = [](const std::string& name) {
    std::string out;
    put(out, 0x04034b50, 4), put(out, 0, 2), put(out, 0x0808, 2), put(out, 0, 18);
    put(out, name.size(), 2), put(out, 0, 2);
    return out + name;
  };
  const auto listed = [](const std::string& name, uint64_t bytes, uint64_t header) {
    const uint64_t see64 = 0xffffffff;
    std::string extra;
    if (bytes >= see64) put(extra, bytes, 8), put(extra, bytes, 8);
    if (header >= see64) put(extra, header, 8);
    std::string out;
    put(out, 0x02014b50, 4), put(out, 0, 4), put(out, 0x0808, 2), put(out, 0, 10);
    put(out, std::min(bytes, see64), 4), put(out, std::min(bytes, see64), 4);
    put(out, name.size(), 2), put(out, extra.empty() ? 0 : extra.size() + 4, 2), put(out, 0, 10);
    put(out, std::min(header, see64), 4);
    out += name;
    if (!extra.empty()) put(out, 1, 2), put(out, extra.size(), 2);
    return out + extra;
  };

  const std::string begin = local("m/data.pkl") + pickle, header0 = local("m/data/0");
  const uint64_t data0 = begin.size() + header0.size(), header1 = data0 + large;
  std::string tail = local("m/data/1");
  const uint64_t data1 = header1 + tail.size();
  tail += std::string(12, 'x');
  const std::string directory = listed("m/data.pkl", pickle.size(), 0) +
                                listed("m/data/0", large, begin.size()) +
                                listed("m/data/1", 12, header1);
  const uint64_t directory_at = header1 + tail.size(), end64 = directory_at + directory.size();
  tail += directory;
  put(tail, 0x06064b50, 4), put(tail, 44, 8), put(tail, 0, 12), put(tail, 3, 8), put(tail, 3, 8);
  put(tail, directory.size(), 8), put(tail, directory_at, 8);
  put(tail, 0x07064b50, 4), put(tail, 0, 4), put(tail, end64, 8), put(tail, 1, 4);
  put(tail, 0x06054b50, 4), put(tail, 0, 4), put(tail, 3, 2), put(tail, 3, 2);
  put(tail, directory.size(), 4), put(tail, 0xffffffff, 4), put(tail, 0, 2);

  const TempFolder folder;
  const std::string path = folder.write("large.bin", begin + header0);
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  ASSERT_EQ(::pwrite(fd, tail.data(), tail.size(), static_cast<off_t>(header1)),
            static_cast<ssize_t>(tail.size()));
  ::close(fd);

  const FileTensors got = read_torch_bin(path);
  ASSERT_EQ(got.entries.size(), 2U);
  EXPECT_EQ(got.entries[0].offset, data0 + large - 12);
  EXPECT_EQ(got.entries[1].offset, data1);
  EXPECT_EQ(FileSource(path).read(got.entries[1].offset, 12), std::string(12, 'x'));
}

}  // namespace
}  // namespace tessera
