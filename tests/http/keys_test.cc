// Who may use the server, and from where.

#include <gtest/gtest.h>

#include "base/json.h"
#include "tests/http/example_server.h"
#include "tests/http/raw_client.h"
#include "tests/support/temp_folder.h"

namespace tessera {
namespace {

const std::string kAnn = "ann:0123456789abcdef", kBob = "bob:fedcba9876543210";

std::string bearer(const std::string& key) {
  return "Authorization: Bearer " + key + "\r\n";
}

TEST(Keys, GuardEveryRouteButTheOpenOnes) {
  ExampleServer example({.keys = kAnn + "," + kBob});
  RawClient client(example.port());
  EXPECT_EQ(client.get("/open").status, 200);
  EXPECT_EQ(client.get("/user", bearer("0123456789abcdef")).body, "ann");
  EXPECT_EQ(client.get("/user", "authorization: bearer  fedcba9876543210\r\n").body, "bob");
  const RawResponse refused = client.get("/user");
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.header("WWW-Authenticate"), "Bearer, Basic realm=\"tessera\"");
  const Json error = Json::parse(refused.body)["error"];
  EXPECT_EQ(error["type"], "authentication_error");
  EXPECT_EQ(error["code"], "invalid_api_key");
  for (const std::string& headers :
       {bearer("0123456789abcdeF"), bearer("0123456789abcde"), bearer("0123456789abcdef0"),
        bearer(""), std::string("Authorization: Basic 0123456789abcdef\r\n"), bearer(kAnn)}) {
    const RawResponse response = client.get("/user", headers);
    EXPECT_EQ(response.status, 401) << headers;
    EXPECT_EQ(response.body.find("456789"), std::string::npos) << "keys are not repeated";
  }
  // Whether something is there, strangers do not learn either.
  EXPECT_EQ(client.get("/nothing").status, 401);
  EXPECT_EQ(client.ask("DELETE /open HTTP/1.1\r\nHost: localhost\r\n\r\n").status, 401);
  EXPECT_EQ(client.ask("OPTIONS /user HTTP/1.1\r\nHost: localhost\r\n\r\n").status, 401);
  EXPECT_EQ(client.get("/nothing", bearer("0123456789abcdef")).status, 404);
  EXPECT_TRUE(example.logs_access(" 127.0.0.1 ann \"GET /user\" 200 3 B "));
}

TEST(Keys, AreAskedForBeforeTheBodyIsRead) {
  ExampleServer example({.keys = kAnn});
  RawClient client(example.port());
  client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");
  EXPECT_EQ(client.response().status, 401);
  EXPECT_TRUE(client.ends());
}

TEST(Keys, LetTheServerListenElsewhere) {
  const TempFolder folder;
  HttpServerOptions options = {.host = "0.0.0.0",
                               .key_file = folder.write("keys", kAnn + "\n# none\n" + kBob + "\n")};
  std::filesystem::permissions(options.key_file, std::filesystem::perms(0600));
  ExampleServer example(options);
  RawClient client(example.port());
  EXPECT_EQ(client.get("/user").status, 401);
  EXPECT_EQ(client.get("/user", "Host: x\r\n").status, 400);  // two of them
  EXPECT_EQ(
      RawClient(example.port())
          .ask("GET /user HTTP/1.1\r\nHost: any.example\r\n" + bearer("fedcba9876543210") + "\r\n")
          .body,
      "bob");
}

TEST(Keys, WithoutThemPagesOfOtherSitesAreKeptOut) {
  ExampleServer example;
  RawClient client(example.port());
  const std::string own = "localhost:" + std::to_string(example.port());
  const auto status = [&](const std::string& host, const std::string& more = "") {
    return client.ask("GET /hello HTTP/1.1\r\nHost: " + host + "\r\n" + more + "\r\n").status;
  };
  EXPECT_EQ(status(own), 200);
  EXPECT_EQ(status("127.0.0.1"), 200);
  EXPECT_EQ(status("rebound.example"), 403);
  EXPECT_EQ(status("rebound.example:" + std::to_string(example.port())), 403);
  EXPECT_EQ(status("127.0.0.1.rebound.example"), 403);
  EXPECT_EQ(status(own, "Origin: http://" + own + "\r\n"), 200);
  EXPECT_EQ(status(own, "Origin: https://other.example\r\n"), 403);
  EXPECT_EQ(status(own, "Origin: null\r\n"), 403);
}

TEST(Keys, ListedOriginsMayCall) {
  ExampleServer example({.keys = kAnn, .origins = {"https://chat.example"}});
  RawClient client(example.port());
  const std::string origin = "Origin: https://chat.example\r\n";
  const RawResponse preflight =
      client.ask("OPTIONS /user HTTP/1.1\r\nHost: localhost\r\n" + origin +
                 "Access-Control-Request-Method: GET\r\n"
                 "Access-Control-Request-Headers: authorization,content-type\r\n\r\n");
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.header("Access-Control-Allow-Origin"), "https://chat.example");
  EXPECT_EQ(preflight.header("Access-Control-Allow-Methods"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(preflight.header("Access-Control-Allow-Headers"), "authorization,content-type");
  const RawResponse answer = client.get("/user", origin + bearer("0123456789abcdef"));
  EXPECT_EQ(answer.header("Access-Control-Allow-Origin"), "https://chat.example");
  EXPECT_EQ(answer.header("Vary"), "Origin");
  const RawResponse other =
      client.get("/user", "Origin: https://other.example\r\n" + bearer("0123456789abcdef"));
  EXPECT_EQ(other.header("Access-Control-Allow-Origin"), "");
  const RawResponse refused = client.ask(
      "OPTIONS /user HTTP/1.1\r\nHost: localhost\r\nOrigin: https://other.example\r\n"
      "Access-Control-Request-Method: GET\r\n\r\n");
  EXPECT_EQ(refused.status, 401);
}

}  // namespace
}  // namespace tessera
