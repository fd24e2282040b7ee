#include "form/form_limits.h"

#include "tessera/error.h"

namespace tessera {

void refuse_form(const std::string& place, const std::string& expected, const std::string& found,
                 const std::string& hint) {
  throw UsageError({.where = "form",
                    .what = place,
                    .expected = expected,
                    .found = found.substr(0, 200),
                    .hint = hint});
}

void refuse_large_form(const std::string& place, const std::string& limit) {
  refuse_form(place, limit, "more", "a simpler form, smaller counts");
}

}  // namespace tessera
