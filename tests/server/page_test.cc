#include "server/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

namespace tessera {
namespace {

using testing::HasSubstr;

// Keeps what the handler answers.
class KeptExchange : public Exchange {
 public:
  explicit KeptExchange(HttpRequest request) : request_(std::move(request)) {}
  const HttpRequest& request() const override { return request_; }
  void respond(HttpResponse response) override { answers_.push_back(std::move(response)); }
  void begin_stream(HttpResponse) override { FAIL() << "a page's file is answered whole"; }
  void write(std::string, std::function<void()>) override {}
  using Exchange::end_stream;
  void end_stream(std::string) override {}
  void on_gone(std::function<void()>) override {}

  const std::vector<HttpResponse>& answers() const { return answers_; }

 private:
  HttpRequest request_;
  std::vector<HttpResponse> answers_;
};

HttpResponse get(std::string path, HttpHeaders headers = {}) {
  const bool root = path == "/";
  for (const Route& route : page_routes()) {
    if (route.path != (root ? "/" : "/page/*")) continue;
    const auto exchange = std::make_shared<KeptExchange>(
        HttpRequest{.method = "GET", .path = std::move(path), .query = {}, .headers = headers});
    route.handler(exchange);
    EXPECT_EQ(exchange->answers().size(), 1u);
    return exchange->answers().at(0);
  }
  ADD_FAILURE() << "no route";
  return {};
}

std::string header(const HttpResponse& response, const std::string& name) {
  std::string found;
  for (const auto& [key, value] : response.headers) {
    if (key != name) continue;
    EXPECT_EQ(found, "") << name << " twice";
    found = value;
  }
  return found;
}

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The files as they lie in the source tree, by the path they are served under.
std::map<std::string, std::string> files_on_disk() {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(TESSERA_PAGE_DIR)) {
    const std::string name = entry.path().filename();
    if (entry.path().extension() == ".cmake") continue;
    files[name == "index.html" ? "/" : "/page/" + name] = text_of(entry.path());
  }
  return files;
}

TEST(Page, HasEachFileByteForByte) {
  const auto files = files_on_disk();
  EXPECT_GE(files.size(), 10u);
  EXPECT_EQ(page_files().size(), files.size());
  for (const auto& [path, text] : files) {
    const PageFile* file = find_page_file(path);
    ASSERT_NE(file, nullptr) << path;
    EXPECT_TRUE(file->bytes == text) << path;
  }
}

TEST(Page, AnswersWithTheTypeABrowserAsksFor) {
  const std::map<std::string, std::string> types = {{".html", "text/html; charset=utf-8"},
                                                    {".css", "text/css; charset=utf-8"},
                                                    {".js", "text/javascript; charset=utf-8"},
                                                    {".svg", "image/svg+xml"}};
  for (const PageFile& file : page_files()) {
    const HttpResponse response = get(std::string(file.path));
    EXPECT_EQ(response.status, 200);
    EXPECT_TRUE(response.body == file.bytes) << file.path;
    const std::string ending =
        file.path == "/" ? ".html" : std::filesystem::path(file.path).extension().string();
    EXPECT_EQ(response.content_type, types.at(ending)) << file.path;
  }
}

TEST(Page, EachAnswerForbidsWhatThePageDoesNotNeed) {
  for (const std::string path : {"/", "/page/app.js", "/page/nothing.js"}) {
    const HttpResponse response = get(path);
    EXPECT_EQ(
        header(response, "Content-Security-Policy"),
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    EXPECT_EQ(header(response, "X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(header(response, "Referrer-Policy"), "no-referrer");
    EXPECT_EQ(header(response, "Cross-Origin-Resource-Policy"), "same-origin");
  }
}

TEST(Page, SendsNothingToWhoHasItAlready) {
  const HttpResponse first = get("/page/app.js");
  const std::string etag = header(first, "ETag");
  ASSERT_TRUE(std::regex_match(etag, std::regex("\"[0-9a-f]{16}\""))) << etag;
  EXPECT_EQ(header(first, "Cache-Control"), "no-cache");
  for (const std::string& tags : {etag, "W/" + etag, "\"other\", " + etag,
                                  "\"a\" ,\tW/" + etag + " , \"b\"", std::string("*")}) {
    const HttpResponse again = get("/page/app.js", {{"if-none-match", tags}});
    EXPECT_EQ(again.status, 304) << tags;
    EXPECT_EQ(again.body, "");
    EXPECT_EQ(header(again, "ETag"), etag);
  }
  for (const std::string& tags : {std::string("\"other\""), std::string(""), std::string(","),
                                  etag.substr(0, 8), etag + "x", "w/" + etag}) {
    EXPECT_EQ(get("/page/app.js", {{"If-None-Match", tags}}).status, 200) << tags;
  }
}

TEST(Page, TagsDifferWithTheBytes) {
  std::set<std::string_view> tags, texts;
  for (const PageFile& file : page_files()) {
    tags.insert(file.etag);
    texts.insert(file.bytes);
  }
  EXPECT_EQ(tags.size(), texts.size());
}

TEST(Page, HasNoOtherFiles) {
  for (const std::string path :
       {"/page/", "/page/index.html", "/page/../page/app.js", "/page/embed.cmake", "/page/app.js/",
        "/page/APP.JS", "/page/%61pp.js"}) {
    const HttpResponse response = get(path);
    EXPECT_EQ(response.status, 404) << path;
    EXPECT_EQ(response.content_type, "application/json");
    EXPECT_THAT(response.body, HasSubstr("\"error\":{"));
  }
  EXPECT_EQ(find_page_file(""), nullptr);
  EXPECT_EQ(find_page_file("page/app.js"), nullptr);
}

// The policy would stop it; this says so sooner.
TEST(Page, UsesNothingFromElsewhereAndNothingInline) {
  const std::string page(find_page_file("/")->bytes);
  EXPECT_FALSE(
      std::regex_search(page, std::regex("<style|\\sstyle=|\\son\\w+=|<script(?![^>]*\\ssrc=)")));
  for (const PageFile& file : page_files()) {
    std::string text(file.bytes);
    // Namespaces, and what tells a link from other text, are no addresses that are asked.
    text = std::regex_replace(text, std::regex("http://www\\.w3\\.org/\\S*|https\\?:"), "");
    EXPECT_FALSE(std::regex_search(text, std::regex("(https?:)?//[\\w-]+\\.[a-z]{2,}")))
        << file.path;
    for (const char* word : {"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write",
                             "eval(", "new Function", "createContextualFragment", "srcdoc"})
      EXPECT_EQ(text.find(word), std::string::npos) << file.path << ": " << word;
  }
}

TEST(Page, EachFileThatIsNamedIsThere) {
  const std::regex in_page("(?:href|src)=\"(/[^\"]*)\""), in_module("from '\\./([^']+)'");
  std::set<std::string> named = {"/"};
  for (const PageFile& file : page_files()) {
    const std::string text(file.bytes);
    for (std::sregex_iterator at(text.begin(), text.end(), in_page), end; at != end; ++at)
      named.insert((*at)[1]);
    for (std::sregex_iterator at(text.begin(), text.end(), in_module), end; at != end; ++at)
      named.insert("/page/" + (*at)[1].str());
  }
  for (const std::string& path : named) EXPECT_NE(find_page_file(path), nullptr) << path;
  EXPECT_EQ(named.size(), page_files().size()) << "a file that nothing uses";
}

TEST(Page, NeedsAKeyUnlessItIsOpened) {
  for (const bool open : {false, true})
    for (const Route& route : page_routes(open)) {
      EXPECT_EQ(route.open_to_all, open);
      EXPECT_EQ(route.method, "GET");
    }
  for (const Route& route : page_routes()) EXPECT_FALSE(route.open_to_all);
}

}  // namespace
}  // namespace tessera
