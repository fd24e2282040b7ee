// The server as a program: it answers, and ends as it is told to.

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/socket.h>

#include <filesystem>

#include "tests/cli/programs.h"
#include "tests/support/temp_folder.h"

namespace tessera {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// One request to a port of this machine; everything that comes back.
std::string ask(int port, const std::string& request) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0 &&
      ::write(fd, request.data(), request.size()) == std::ssize(request)) {
    std::array<char, 4096> piece;
    for (ssize_t n = 0; (n = ::read(fd, piece.data(), piece.size())) > 0;)
      answer.append(piece.data(), static_cast<size_t>(n));
  }
  ::close(fd);
  return answer;
}

std::string get(int port, const std::string& path) {
  return ask(port, "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
}

class ServeTest : public testing::Test {
 protected:
  // A server on any free port, up.
  std::unique_ptr<Program> serve(const Args& more = {}) {
    auto program = std::make_unique<Program>(
        tessera_args(with({"serve", "--model-path", kTiny, "--devices", kThreeDevices, "--port",
                           "0", "--sequences", "2", "--url-file", url_file_},
                          more)));
    EXPECT_TRUE(program->wait_for_error("is served at "));
    const std::string url = read_file(url_file_, 1 << 10);
    port_ = std::stoi(url.substr(url.rfind(':') + 1));
    return program;
  }

  const TempFolder folder_;
  const std::string url_file_ = folder_.path("url");
  int port_ = 0;
};

TEST_F(ServeTest, AnswersUntilItIsToldToStop) {
  const auto program = serve();
  EXPECT_THAT(get(port_, "/health/ready"), StartsWith("HTTP/1.1 200"));
  const std::string body = R"({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 3})";
  const std::string answer =
      ask(port_,
          "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
          "Content-Type: application/json\r\nContent-Length: " +
              std::to_string(body.size()) + "\r\n\r\n" + body);
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(answer, HasSubstr(R"("object":"chat.completion")"));
  EXPECT_THAT(get(port_, "/"), HasSubstr("<!doctype html>"));
  EXPECT_THAT(get(port_, "/metrics"), HasSubstr("tessera_new_tokens_total 3"));

  program->interrupt();
  const ProgramResult result = program->finish();
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.out, "");
}

TEST_F(ServeTest, KeysGuardEveryRouteButTheHeartbeat) {
  const auto program = serve({"--api-keys", folder_.write("keys", "me:0123456789abcdef0123\n")});
  EXPECT_THAT(get(port_, "/health/live"), StartsWith("HTTP/1.1 200"));
  for (const char* path : {"/", "/health/ready", "/metrics", "/v1/models", "/openapi.json"})
    EXPECT_THAT(get(port_, path), StartsWith("HTTP/1.1 401")) << path;
  EXPECT_THAT(ask(port_,
                  "GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                  "Authorization: Bearer 0123456789abcdef0123\r\n\r\n"),
              StartsWith("HTTP/1.1 200"));
}

// /dev/full: a disk on which nothing has room.
TEST_F(ServeTest, AFullDiskUnderTheLogCostsItsLinesAlone) {
  const auto program = serve({"--access-log", "/dev/full"});
  for (int i = 0; i < 3; ++i) EXPECT_THAT(get(port_, "/v1/models"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(get(port_, "/health/ready"), StartsWith("HTTP/1.1 200"));
  program->interrupt();
  const ProgramResult result = program->finish();
  EXPECT_EQ(result.status, 0);
  const std::string line = "/dev/full: lines of the access log are lost";
  EXPECT_THAT(result.err, HasSubstr(line));
  EXPECT_EQ(result.err.find(line), result.err.rfind(line));  // said once
}

TEST(Serve, OtherAddressesNeedKeys) {
  const ProgramResult result = run_tessera({"serve", "--model-path", kTiny, "--devices",
                                            kThreeDevices, "--host", "0.0.0.0", "--port", "0"});
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.err, HasSubstr("tessera: error: "));
  EXPECT_THAT(result.err, HasSubstr("insecure"));
}

TEST(Serve, AModelThatIsNotThereIsAnError) {
  const ProgramResult result = run_tessera({"serve", "--model-path", "/nowhere"});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, StartsWith("tessera: error: "));
}

}  // namespace
}  // namespace tessera
