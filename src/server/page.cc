#include "server/page.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/json.h"
#include "http/ascii.h"

namespace tessera {
namespace {

// Scripts, styles and data from this server alone; no inline scripts or styles, so that text which
// became markup by mistake would still do nothing. data: and blob: are pictures before they are
// sent.
constexpr std::string_view kContentSecurityPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

HttpHeaders page_headers() {
  return {{"Content-Security-Policy", std::string(kContentSecurityPolicy)},
          {"X-Content-Type-Options", "nosniff"},
          {"Referrer-Policy", "no-referrer"},
          {"Cross-Origin-Opener-Policy", "same-origin"},
          {"Cross-Origin-Resource-Policy", "same-origin"}};
}

HttpResponse no_such_file() {
  const Json error = {{"message", "the page has no such file"},
                      {"type", "invalid_request_error"},
                      {"param", nullptr},
                      {"code", "not_found"}};
  return {.status = 404,
          .content_type = "application/json",
          .headers = page_headers(),
          .body = Json{{"error", error}}.dump()};
}

// If-None-Match: "*", or tags with commas between them, each perhaps marked weak (RFC 9110 13.1.2).
bool names_etag(std::string_view header, std::string_view etag) {
  while (!header.empty()) {
    const size_t comma = std::min(header.find(','), header.size());
    std::string_view tag = trim_blanks(header.substr(0, comma));
    if (tag.starts_with("W/")) tag.remove_prefix(2);
    if (tag == etag || tag == "*") return true;
    header.remove_prefix(std::min(comma + 1, header.size()));
  }
  return false;
}

void answer_page(const std::shared_ptr<Exchange>& exchange) {
  const PageFile* file = find_page_file(exchange->request().path);
  if (!file) return exchange->respond(no_such_file());
  HttpResponse response = {.content_type = std::string(file->content_type),
                           .headers = page_headers()};
  response.headers.emplace_back("ETag", file->etag);
  // Kept, but asked about each time: a new program brings a new page at once.
  response.headers.emplace_back("Cache-Control", "no-cache");
  if (names_etag(exchange->request().header("If-None-Match"), file->etag))
    response.status = 304;
  else
    response.body = file->bytes;
  exchange->respond(std::move(response));
}

}  // namespace

const PageFile* find_page_file(std::string_view path) {
  const std::vector<PageFile>& files = page_files();
  const auto at = std::ranges::lower_bound(files, path, {}, &PageFile::path);
  return at != files.end() && at->path == path ? &*at : nullptr;
}

std::vector<Route> page_routes(bool open_to_all) {
  return {{.method = "GET", .path = "/", .handler = answer_page, .open_to_all = open_to_all},
          {.method = "GET", .path = "/page/*", .handler = answer_page, .open_to_all = open_to_all}};
}

}  // namespace tessera
