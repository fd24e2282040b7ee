#include "server/request_error.h"

#include <utility>

namespace tessera {

HttpError wrong_field(const std::string& param, std::string expected, std::string found,
                      std::string hint) {
  return HttpError({.param = param}, {.where = "request",
                                      .what = param,
                                      .expected = std::move(expected),
                                      .found = std::move(found),
                                      .hint = std::move(hint)});
}

HttpError not_supported(const std::string& param, std::string hint, const std::string& value) {
  return HttpError({.code = "unsupported_parameter", .param = param},
                   {.where = "request",
                    .what = param + (value.empty() ? "" : " " + value) + " is not supported",
                    .hint = std::move(hint)});
}

}  // namespace tessera
