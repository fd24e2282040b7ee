#include "form/string_formats.h"

#include <array>

namespace tessera {
namespace {

// Days that there are, in the years 0001 to 9999 (RFC 3339, section 5.6 and appendix C).
constexpr std::string_view kDate =
    R"re(((\d{3}[1-9]|\d{2}[1-9]\d|\d[1-9]\d{2}|[1-9]\d{3})-((0[13578]|1[02])-(0[1-9]|[12)re"
    R"re(]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))|(\d{2}(0[48]|[)re"
    R"re(2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)-02-29))re";

// With an offset, as RFC 3339 has it; up to nine digits of a second.
constexpr std::string_view kTime =
    R"re(([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d))re";

constexpr std::string_view kDateTime =
    R"re(((\d{3}[1-9]|\d{2}[1-9]\d|\d[1-9]\d{2}|[1-9]\d{3})-((0[13578]|1[02])-(0[1-9]|[12)re"
    R"re(]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))|(\d{2}(0[48]|[)re"
    R"re(2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)-02-29)T([01]\d|2[0-3])re"
    R"re():[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d))re";

constexpr std::string_view kUuid =
    "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}";

// The local part is a dot-string (RFC 5321, section 4.1.2) of letters, digits, "_", "+" and "-".
constexpr std::string_view kEmail =
    R"re([A-Za-z0-9_+-]+(\.[A-Za-z0-9_+-]+)*@[A-Za-z0-9]+(-+[A-Za-z0-9]+)*)re"
    R"re((\.[A-Za-z0-9]+(-+[A-Za-z0-9]+)*)+)re";

// Labels of at most 63 characters (RFC 1123); at most eight of them, so that a name stays short.
constexpr std::string_view kHostname =
    R"re([A-Za-z0-9]([A-Za-z0-9-]{0,28}[A-Za-z0-9])?)re"
    R"re((\.[A-Za-z0-9]([A-Za-z0-9-]{0,28}[A-Za-z0-9])?){0,7})re";

constexpr std::string_view kIpv4 =
    R"re(((25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d))re";

struct KnownFormat {
  std::string_view name, pattern;
};
constexpr std::array kFormats = {
    KnownFormat{"date", kDate}, KnownFormat{"time", kTime},   KnownFormat{"date-time", kDateTime},
    KnownFormat{"uuid", kUuid}, KnownFormat{"email", kEmail}, KnownFormat{"hostname", kHostname},
    KnownFormat{"ipv4", kIpv4}};

}  // namespace

std::string_view pattern_of_format(std::string_view format) {
  for (const KnownFormat& known : kFormats)
    if (known.name == format) return known.pattern;
  return {};
}

std::string known_formats() {
  std::string names;
  for (const KnownFormat& known : kFormats) {
    if (!names.empty()) names += ", ";
    names += known.name;
  }
  return names;
}

}  // namespace tessera
