#include "checkpoint/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/checkpoint/zip_builder.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

std::string file_of(const std::string& header, size_t data_bytes) {
  std::string out;
  put(out, header.size(), 8);
  return out + header + std::string(data_bytes, 'd');
}

std::string refusal(const std::string& bytes) {
  return error_of([&] { read_safetensors(MemorySource("f.safetensors", bytes)); });
}

// One tensor "t" over 24 bytes of data, with these three values.
std::string refusal_of(const std::string& dtype, const std::string& shape,
                       const std::string& offsets) {
  return refusal(file_of(
      "{\"t\":{\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}}",
      24));
}

TEST(Safetensors, PlacesTensorsInTheOrderOfTheData) {
  const std::string header = R"({"b":{"dtype":"F16","shape":[2,2],"data_offsets":[4,12]},)"
                             R"("__metadata__":{"format":"pt","note":""},)"
                             R"("z":{"data_offsets":[4,4],"shape":[3,0],"dtype":"I64"},)"
                             R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}   )";
  const FileTensors got = read_safetensors(MemorySource("f", file_of(header, 12)));
  ASSERT_EQ(got.entries.size(), 3U);
  EXPECT_EQ(got.entries[0].name, "a");
  EXPECT_TRUE(got.entries[0].shape.empty());
  EXPECT_EQ(got.entries[0].bytes, 4U);
  EXPECT_EQ(got.entries[1].name, "z");
  EXPECT_EQ(got.entries[1].bytes, 0U);
  EXPECT_EQ(got.entries[2].name, "b");
  EXPECT_EQ(got.entries[2].dtype, DType::kF16);
  EXPECT_THAT(got.entries[2].shape, ElementsAre(2, 2));
  EXPECT_EQ(got.entries[2].offset, 8 + header.size() + 4);
  EXPECT_THAT(got.metadata, ElementsAre(Pair("format", "pt"), Pair("note", "")));
}

TEST(Safetensors, ChecksTheLengthOfTheHeader) {
  EXPECT_THAT(refusal(""), HasSubstr("expected 8 bytes at offset 0, found the end at 0"));
  EXPECT_THAT(refusal(file_of("{}", 0).substr(0, 9)), HasSubstr("expected 2 bytes at offset 8"));
  std::string longer = file_of("{}", 0);
  longer.replace(0, 8, "\xff\xff\xff\xff\xff\xff\xff\xff");
  EXPECT_THAT(refusal(longer), HasSubstr("header length: expected at most 33554432"));
  EXPECT_EQ(refusal(file_of("{}", 0)), "no error");
}

TEST(Safetensors, RefusesHeadersThatAreNotWhatTheFormatSays) {
  const std::string t = R"("t":{"dtype":"U8","shape":[4],"data_offsets":[0,4]})";
  EXPECT_EQ(refusal(file_of("{" + t + "}", 4)), "no error");
  const std::pair<std::string, const char*> headers[] = {
      {"", "a JSON object that starts at byte 8"},
      {" {}", "a JSON object that starts at byte 8"},
      {"[]", "a JSON object that starts at byte 8"},
      {"{", "not valid JSON"},
      {"{}x", "not valid JSON"},
      {std::string("{}\0", 3), "not valid JSON"},
      {"{\"\xff\":{}}", "not valid JSON"},
      {"{" + t + "," + t + "}", "t: expected each tensor once"},
      {"{\"\":{}}", "an empty name"},
      {R"({"t":null})", "t: expected an object with dtype, shape and data_offsets, found null"},
      {R"({"t":[]})", "found a list"},
      {R"({"t":3})", "found 3"},
      {R"({"t":{}})", "t: expected dtype, found none"},
      {R"({"t":{"dtype":"U8","shape":[4]}})", "t: expected data_offsets, found none"},
      {R"({"t":{"dtype":"U8","data_offsets":[0,4]}})", "t: expected shape, found none"},
      {R"({"__metadata__":{"a":"","a":""}})", "found the key a twice"},
      {R"({"t":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"x":0}})", "found the key \"x\""},
      {R"({"t":{"dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4]}})", "found \"U8\""},
      {R"({"t":{"dtype":"U8","shape":[4],"shape":[4],"data_offsets":[0,4]}})", "found it twice"},
      {R"({"t":{"dtype":["U8"],"shape":[4],"data_offsets":[0,4]}})", "found a list"},
      {R"({"t":{"dtype":"U8","shape":"4","data_offsets":[0,4]}})", "found \"4\""},
      {R"({"t":{"dtype":"U8","shape":[[4]],"data_offsets":[0,4]}})", "found a list"},
      {R"({"t":{"dtype":"U8","shape":{"a":4},"data_offsets":[0,4]}})", "found an object"},
      {R"({"__metadata__":{"a":1}})", "strings under string keys, found 1"},
      {R"({"__metadata__":{"a":{}}})", "strings under string keys, found an object"},
      {R"({"__metadata__":"x"})", "found \"x\""},
      {R"({"__metadata__":{},"__metadata__":{}})", "each tensor once"},
  };
  for (const auto& [header, expected] : headers)
    EXPECT_THAT(refusal(file_of(header, 4)), HasSubstr(expected)) << header;
  EXPECT_THAT(refusal(file_of("{\"t\":" + std::string(1'000'000, '['), 0)), HasSubstr("a list"));
}

TEST(Safetensors, RefusesWrongTypesShapesAndRanges) {
  EXPECT_EQ(refusal_of("\"F32\"", "[2,3]", "[0,24]"), "no error");
  EXPECT_EQ(refusal_of("\"F32\"", "[2,3]", "[0,20]"),
            "f.safetensors: data: expected 20 bytes, as the header says, found 24 bytes");
  EXPECT_THAT(refusal_of("\"F32\"", "[2,3]", "[0,28]"), HasSubstr("an end up to 24"));
  EXPECT_THAT(refusal_of("\"F32\"", "[2,3]", "[4,24]"), HasSubstr("a begin of 0"));
  EXPECT_THAT(refusal_of("\"F32\"", "[2,3]", "[24,0]"), HasSubstr("a begin of 0"));
  EXPECT_THAT(refusal_of("\"F32\"", "[2,3]", "[0,18446744073709551615]"), HasSubstr("up to 24"));
  EXPECT_THAT(refusal_of("\"F32\"", "[2,3]", "[0,18446744073709551616]"),
              HasSubstr("found 184467"));
  EXPECT_THAT(refusal_of("\"F32\"", "[2,3]", "[0]"), HasSubstr("two numbers, found 1"));
  EXPECT_THAT(refusal_of("\"F32\"", "[2,3]", "[0,24,24]"), HasSubstr("a longer list"));
  EXPECT_THAT(refusal_of("\"F32\"", "[2,3]", "[0,24.0]"), HasSubstr("found 24.0"));
  EXPECT_THAT(refusal_of("\"F32\"", "[2,4]", "[0,24]"),
              HasSubstr("t: expected 32 bytes for F32 [2, 4], found 24 bytes"));
  EXPECT_THAT(refusal_of("\"F32\"", "[-2,-3]", "[0,24]"), HasSubstr("found -2"));
  EXPECT_THAT(refusal_of("\"F32\"", "[1e1]", "[0,24]"), HasSubstr("found 1e1"));
  EXPECT_THAT(refusal_of("\"F32\"", "[4294967296,4294967296]", "[0,24]"),
              HasSubstr("fits in memory"));
  EXPECT_THAT(refusal_of("\"F32\"", "[18446744073709551615]", "[0,24]"),
              HasSubstr("fits in memory"));
  EXPECT_THAT(refusal_of("\"F32\"", "[1,1,1,1,1,1,1,1,1]", "[0,24]"), HasSubstr("a longer list"));
  EXPECT_THAT(refusal_of("\"f32\"", "[2,3]", "[0,24]"), HasSubstr("found \"f32\""));
  EXPECT_THAT(refusal_of("null", "[2,3]", "[0,24]"), HasSubstr("found null"));
  EXPECT_EQ(refusal_of("\"F4\"", "[48]", "[0,24]"), "no error");
  EXPECT_EQ(refusal_of("\"F6_E2M3\"", "[32]", "[0,24]"), "no error");
  EXPECT_THAT(refusal_of("\"F4\"", "[47]", "[0,24]"), HasSubstr("expected 24 bytes for F4 [47]"));
}

TEST(Safetensors, RefusesHolesAndOverlaps) {
  const auto two = [](const char* first, const char* second) {
    return refusal(file_of(std::string(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)") +
                               first + R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" +
                               second + "}}",
                           8));
  };
  EXPECT_EQ(two("[0,4]", "[4,8]"), "no error");
  EXPECT_EQ(two("[4,8]", "[0,4]"), "no error");
  EXPECT_THAT(two("[0,4]", "[0,4]"), HasSubstr("b.data_offsets: expected a begin of 4"));
  EXPECT_THAT(two("[0,4]", "[3,7]"), HasSubstr("b.data_offsets: expected a begin of 4"));
  EXPECT_THAT(two("[0,4]", "[5,8]"), HasSubstr("b.data_offsets: expected a begin of 4"));
  EXPECT_THAT(two("[1,4]", "[4,8]"), HasSubstr("a.data_offsets: expected a begin of 0"));
}

TEST(Safetensors, ReadsManyTensorsInTimeThatGrowsWithTheirNumber) {
  std::string header = "{";
  const int many = 30'000;
  for (int i = 0; i < many; ++i)
    header += (i > 0 ? ",\"t" : "\"t") + std::to_string(i) +
              R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  const FileTensors got = read_safetensors(MemorySource("f", file_of(header + "}", 0)));
  EXPECT_EQ(got.entries.size(), static_cast<size_t>(many));
}

}  // namespace
}  // namespace tessera
