#include "plan/device_spec.h"

#include <fmt/format.h>

#include <charconv>

#include "base/units.h"
#include "tessera/error.h"

namespace tessera {
namespace {

constexpr const char* kGrammar = "[N x]KIND[:INDEX][@MEMORY][{KEY=VALUE;...}]";
constexpr int kMaxThreads = 1024;

[[noreturn]] void refuse(std::string_view entry, const std::string& expected,
                         std::string_view found) {
  throw UsageError({.where = "--devices",
                    .what = '"' + std::string(entry) + '"',
                    .expected = expected,
                    .found = '"' + std::string(found) + '"'});
}

std::optional<int> parse_integer(std::string_view text, int min, int max) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < min || value > max)
    return std::nullopt;
  return value;
}

std::optional<double> parse_speed(std::string_view text) {
  double value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc{} || end != text.data() + text.size() || !(value >= 0.01 && value <= 1))
    return std::nullopt;
  return value;
}

// "3xcpu" -> 3, leaving "cpu". A kind may contain an x of its own ("rtx3090").
int take_count(std::string_view entry, std::string_view& rest) {
  const size_t x = rest.find('x');
  if (x == 0 || x == rest.npos || rest.find_first_not_of("0123456789") != x) return 1;
  const auto count = parse_integer(rest.substr(0, x), 1, kMaxDevices);
  if (!count) refuse(entry, fmt::format("a count from 1 to {}", kMaxDevices), rest.substr(0, x));
  rest.remove_prefix(x + 1);
  return *count;
}

// An unknown name, or instructions that this machine does not have, is refused in parse_isa's
// words.
Isa read_isa(std::string_view entry, std::string_view name) {
  try {
    return parse_isa(name, entry);
  } catch (const UsageError& e) {
    refuse(entry, e.parts().expected, name);
  }
}

void set_cuda_option(DeviceSpec& spec, std::string_view option) {
  if (option == "graphs=on" || option == "graphs=off") {
    spec.graphs = option == "graphs=on";
  } else if (option == "gemm=own" || option == "gemm=cublaslt") {
    spec.cublaslt = option == "gemm=cublaslt";
  } else {
    refuse(spec.text, "graphs=on, graphs=off, gemm=own or gemm=cublaslt", option);
  }
}

void set_option(DeviceSpec& spec, std::string_view option) {
  const size_t equals = option.find('=');
  const std::string_view key = option.substr(0, equals);
  const std::string_view value = equals == option.npos ? "" : option.substr(equals + 1);
  if (spec.kind == DeviceSpec::Kind::kCuda) return set_cuda_option(spec, option);
  if (spec.kind != DeviceSpec::Kind::kCpu)
    refuse(spec.text, "options in {} for cpu and cuda devices only", option);
  if (key == "threads") {
    const auto threads = parse_integer(value, 1, kMaxThreads);
    if (!threads) refuse(spec.text, fmt::format("threads from 1 to {}", kMaxThreads), value);
    spec.threads = *threads;
  } else if (key == "speed") {
    const auto speed = parse_speed(value);
    if (!speed) refuse(spec.text, "a speed from 0.01 to 1", value);
    spec.speed = *speed;
  } else if (key == "link") {
    const auto link = parse_bandwidth(value);
    if (!link || !(*link >= 1e3)) refuse(spec.text, "a bandwidth as in link=12GB/s", value);
    spec.link_bytes_per_s = *link;
  } else if (key == "isa") {
    spec.isa = read_isa(spec.text, value);
  } else {
    refuse(spec.text, "threads=N, speed=S, link=B/s or isa=NAME", option);
  }
}

// Everything from `mark` on, taken off the end of `rest`; empty when there is no mark.
std::optional<std::string_view> take_tail(std::string_view& rest, char mark) {
  const size_t at = rest.find(mark);
  if (at == rest.npos) return std::nullopt;
  const std::string_view tail = rest.substr(at + 1);
  rest = rest.substr(0, at);
  return tail;
}

DeviceSpec parse_entry(std::string_view entry, std::string_view rest) {
  DeviceSpec spec{.text = std::string(entry)};
  std::optional<std::string_view> options = take_tail(rest, '{');
  const std::optional<std::string_view> memory = take_tail(rest, '@');
  const std::optional<std::string_view> index = take_tail(rest, ':');

  if (rest.empty()) refuse(entry, kGrammar, entry);
  if (rest == "cpu") {
    spec.kind = DeviceSpec::Kind::kCpu;
  } else if (rest == "cuda") {
    spec.kind = DeviceSpec::Kind::kCuda;
  } else {
    spec.kind = DeviceSpec::Kind::kImagined;
    spec.hardware = rest;
  }
  if (index) {
    const auto number = parse_integer(*index, 0, kMaxDevices - 1);
    if (!number || spec.kind == DeviceSpec::Kind::kImagined)
      refuse(entry, "an index as in cuda:0", *index);
    spec.index = *number;
  }
  if (memory) {
    const auto bytes = parse_bytes(*memory);
    if (!bytes || *bytes == 0) refuse(entry, "a size as in @24GiB or @500MB", *memory);
    spec.memory_bytes = *bytes;
  }
  if (options) {
    if (!options->ends_with('}')) refuse(entry, "a closing }", *options);
    options->remove_suffix(1);
    while (options && !options->empty()) {
      std::string_view option = *options;
      options = take_tail(option, ';');
      set_option(spec, option);
    }
  }
  return spec;
}

}  // namespace

std::vector<DeviceSpec> parse_devices(std::string_view text) {
  if (text == "auto") return {{.kind = DeviceSpec::Kind::kAuto, .text = "auto"}};
  std::vector<DeviceSpec> specs;
  std::optional<std::string_view> left = text;
  while (left) {
    const std::string_view entry = left->substr(0, left->find(','));
    left =
        entry.size() < left->size() ? std::optional(left->substr(entry.size() + 1)) : std::nullopt;
    std::string_view rest = entry;
    const int count = take_count(entry, rest);
    const DeviceSpec spec = parse_entry(entry, rest);
    specs.insert(specs.end(), static_cast<size_t>(count), spec);
    if (specs.size() > kMaxDevices)
      refuse(entry, fmt::format("at most {} devices", kMaxDevices),
             fmt::format("{}", specs.size()));
  }
  return specs;
}

}  // namespace tessera
