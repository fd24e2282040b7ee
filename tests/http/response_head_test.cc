#include "http/response_head.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/request_id.h"

namespace tessera {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(ResponseHead, CarriesNoHeadersOfStrangers) {
  const std::string head = response_head({.status = 200,
                                          .content_type = "text/plain",
                                          .headers = {{"Good", "a b\tc \xc3\xa9"},
                                                      {"Bad", "x\r\nSet-Cookie: y"},
                                                      {"Bad name", "x"},
                                                      {"", "x"},
                                                      {"Bad2", std::string("a\0b", 3)}}},
                                         {{"More", "1"}}, {.content_length = 3});
  EXPECT_TRUE(head.starts_with("HTTP/1.1 200 OK\r\nDate: "));
  EXPECT_TRUE(head.ends_with("\r\n\r\n"));
  EXPECT_THAT(head, HasSubstr("\r\nContent-Type: text/plain\r\nGood: a b\tc \xc3\xa9\r\nMore: 1\r\n"
                              "Content-Length: 3\r\n\r\n"));
  EXPECT_THAT(head, Not(HasSubstr("Cookie")));
  EXPECT_THAT(head, Not(HasSubstr("Bad")));
}

TEST(ResponseHead, ChunksSayHowLongTheyAre) {
  EXPECT_EQ(chunk_of("0123456789abcdef"), "10\r\n0123456789abcdef\r\n");
  EXPECT_EQ(chunk_of(""), "");
}

TEST(RequestId, IsTheClientsWhereItIsHarmless) {
  EXPECT_EQ(request_id_from("a-B_9.:/+=~"), "a-B_9.:/+=~");
  EXPECT_EQ(request_id_from(std::string(128, 'x')), std::string(128, 'x'));
  for (const std::string& odd :
       {std::string(), std::string(129, 'x'), std::string("a b"), std::string("a\"b"),
        std::string("a\0b", 3), std::string("\xc3\xa9")}) {
    const std::string id = request_id_from(odd);
    EXPECT_EQ(id.size(), 32U);
    EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos);
    EXPECT_NE(id, request_id_from(odd));
  }
}

}  // namespace
}  // namespace tessera
