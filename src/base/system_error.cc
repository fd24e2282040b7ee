#include "base/system_error.h"

#include <fmt/format.h>

#include <system_error>

#include "tessera/error.h"

namespace tessera {

void throw_system_error(const std::string& path, std::string_view doing, int code,
                        std::string_view hint) {
  throw Error({.where = path,
               .what = fmt::format("cannot {}: {}", doing, std::generic_category().message(code)),
               .hint = std::string(hint)});
}

}  // namespace tessera
