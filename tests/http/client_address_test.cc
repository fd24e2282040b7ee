#include "http/client_address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cstring>

#include "http/client_count.h"

namespace tessera {
namespace {

sockaddr_storage address_of(const char* text) {
  sockaddr_storage storage = {};
  sockaddr_in four = {};
  sockaddr_in6 six = {};
  if (::inet_pton(AF_INET, text, &four.sin_addr) == 1) {
    four.sin_family = AF_INET;
    std::memcpy(&storage, &four, sizeof four);
  } else if (::inet_pton(AF_INET6, text, &six.sin6_addr) == 1) {
    six.sin6_family = AF_INET6;
    std::memcpy(&storage, &six, sizeof six);
  }
  return storage;
}

ClientAddress client(const char* text) {
  const sockaddr_storage storage = address_of(text);
  return client_address(reinterpret_cast<const sockaddr*>(&storage));
}

bool loopback(const char* text) {
  const sockaddr_storage storage = address_of(text);
  return is_loopback(reinterpret_cast<const sockaddr*>(&storage));
}

TEST(ClientAddress, IsAnAddressAndANetwork) {
  EXPECT_EQ(client("192.0.2.1").text, "192.0.2.1");
  EXPECT_EQ(client("192.0.2.1").network, "192.0.2.1");
  EXPECT_EQ(client("::ffff:192.0.2.1").network, "192.0.2.1");
  EXPECT_EQ(client("2001:db8:1:2:3::4").text, "2001:db8:1:2:3::4");
  EXPECT_EQ(client("2001:db8:1:2:3::4").network, "2001:db8:1:2::");
  EXPECT_EQ(client("?").text, "?");
}

TEST(ClientAddress, KnowsItsOwnMachine) {
  for (const char* own : {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"})
    EXPECT_TRUE(loopback(own));
  for (const char* other : {"0.0.0.0", "192.0.2.1", "::", "::2", "::ffff:192.0.2.1", "?"})
    EXPECT_FALSE(loopback(other)) << other;
}

TEST(ClientCount, GrantsPlacesInAllAndOfEachNetwork) {
  using Place = ClientCount::Place;
  ClientCount count(3, 2);
  EXPECT_EQ(count.enter("a"), Place::kGranted);
  EXPECT_EQ(count.enter("a"), Place::kGranted);
  EXPECT_EQ(count.enter("a"), Place::kNetworkFull);  // counted while it is told
  count.leave("a");
  EXPECT_EQ(count.enter("b"), Place::kGranted);
  EXPECT_EQ(count.enter("c"), Place::kFull);
  int told = 1;
  while (count.enter("c") != Place::kNone) ++told;
  EXPECT_EQ(told, 64);
  for (int i = 0; i < told; ++i) count.leave("c");
  EXPECT_EQ(count.count(), 3);
  EXPECT_FALSE(count.wait_until_none(0.01));
  for (const char* network : {"a", "a", "b"}) count.leave(network);
  EXPECT_TRUE(count.wait_until_none(0));
}

}  // namespace
}  // namespace tessera
