#include "runtime/calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <optional>

#include "base/file.h"
#include "base/json.h"
#include "base/units.h"
#include "device/host.h"
#include "runtime/device_set.h"
#include "tessera/error.h"

namespace tessera {
namespace {

// Raised when a kernel becomes faster or slower.
constexpr int kKernels = 11, kCudaKernels = 3;
constexpr uint64_t kMaxFileBytes = kMiB;
constexpr double kMostRate = 1e18, kMostPoint = 1e9, kMostTime_s = 100;
// What a busy machine reached is taken for as long: it may be idle by then.
constexpr int64_t kDisturbedFor_s = 600;

int64_t unix_s() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// What the rates in a file were measured with.
std::string machine() {
  return fmt::format("{}, {}, kernels {}", read_host_info().processor, isa_name(best_isa()),
                     kKernels);
}

// The machine's best instructions, which nearly all runs use, need no name beside machine()'s.
std::string entry_name(int threads, Isa isa) {
  return isa == best_isa() ? fmt::format("{} threads", threads)
                           : fmt::format("{} threads, {}", threads, isa_name(isa));
}

std::string card_entry_name(const std::string& card) {
  return fmt::format("{}, kernels {}", card, kCudaKernels);
}

// A slower device stretches every op by the same factor: no need to wait for it.
KernelRates at_speed(KernelRates rates, double speed) {
  for (double& rate : rates.flops_per_s) rate *= speed;
  for (double& rate : rates.read_bytes_per_s) rate *= speed;
  for (MatmulTimes::Grid& grid : rates.matmul_times.seconds)
    for (double& time : grid) time /= speed;
  rates.attention_flops_per_s *= speed;
  for (double& rate : rates.kv_bytes_per_s) rate *= speed;
  for (double& rate : rates.values_per_s) rate *= speed;
  for (double* time :
       {&rates.attention_s, &rates.query_value_s, &rates.score_s, &rates.op_s, &rates.row_s})
    *time /= speed;
  return rates;
}

// The file's object when it is of this machine, else an empty one of it.
Json read_calibration(const std::string& file) {
  Json empty = {{"machine", machine()}, {"rates", Json::object()}, {"links", Json::object()}};
  try {
    if (file.empty() || !file_exists(file)) return empty;
    Json found = read_json_file(file, kMaxFileBytes);
    const JsonReader reader(found, file);
    if (reader.string("machine") == machine()) {
      (void)reader.object("rates");
      (void)reader.object("links");
      return found;
    }
  } catch (const Error&) {  // another program's file, or half of one: it is written anew
  }
  return empty;
}

Json times_json(const MatmulTimes& times) {
  Json json;
  for (const Precision precision : kPrecisions)
    json[std::string(precision_name(precision))] = times.seconds[static_cast<size_t>(precision)];
  return json;
}

// False where one is no time, or rows and widths do not rise.
bool find_times(const JsonReader& from, MatmulTimes& times) {
  const auto rise = [](const auto& points) {
    return std::ranges::is_sorted(points, std::less_equal<>());
  };
  bool good = rise(times.rows) && rise(times.widths);
  for (const Precision precision : kPrecisions) {
    MatmulTimes::Grid& grid = times.seconds[static_cast<size_t>(precision)];
    const std::vector<double> found =
        from.numbers(std::string(precision_name(precision)), grid.size());
    std::ranges::copy(found, grid.begin());
    good = good && std::ranges::all_of(found, [](double s) { return s > 0 && s <= kMostTime_s; });
  }
  return good;
}

std::optional<KernelRates> find_rates(const Json& calibration, const std::string& file,
                                      const std::string& name) {
  try {
    const JsonReader rates = JsonReader(calibration, file).object("rates").object(name);
    KernelRates out;
    const auto fill = [&](auto& to, const char* key, double most) {
      const std::vector<double> found = rates.numbers(key, to.size());
      std::ranges::copy(found, to.begin());
      return std::ranges::all_of(found, [&](double r) { return r >= 1 && r <= most; });
    };
    if (!fill(out.flops_per_s, "flops_per_s", kMostRate) ||
        !fill(out.read_bytes_per_s, "read_bytes_per_s", kMostRate) ||
        !fill(out.kv_bytes_per_s, "kv_bytes_per_s", kMostRate) ||
        !fill(out.values_per_s, "values_per_s", kMostRate) ||
        !fill(out.matmul_times.rows, "matmul_rows", kMostPoint) ||
        !fill(out.matmul_times.widths, "matmul_widths", kMostPoint) ||
        !find_times(rates.object("matmul_s"), out.matmul_times))
      return std::nullopt;
    out.attention_flops_per_s = rates.number("attention_flops_per_s", 1, kMostRate);
    out.attention_s = rates.number("attention_s", 0, 1);
    out.query_value_s = rates.number("query_value_s", 0, 1);
    out.score_s = rates.number("score_s", 0, 1);
    out.op_s = rates.number("op_s", 0, 1);
    out.row_s = rates.number("row_s", 0, 1);
    out.undisturbed = rates.boolean("undisturbed");
    const int64_t age_s = unix_s() - rates.integer("measured_at", 0, INT64_MAX);
    if (!out.undisturbed && (age_s < 0 || age_s > kDisturbedFor_s)) return std::nullopt;
    return out;
  } catch (const Error&) {
    return std::nullopt;
  }
}

void write_calibration(const std::string& file, const Json& calibration) {
  if (file.empty()) return;
  try {
    std::error_code ignored;
    std::filesystem::create_directories(std::filesystem::path(file).parent_path(), ignored);
    write_file_atomic(file, calibration.dump(2) + "\n");
  } catch (const Error&) {  // a home that cannot be written to
  }
}

void write_rates(const std::string& file, Json calibration, const std::string& name,
                 const KernelRates& rates) {
  calibration["rates"][name] = {{"flops_per_s", rates.flops_per_s},
                                {"read_bytes_per_s", rates.read_bytes_per_s},
                                {"matmul_rows", rates.matmul_times.rows},
                                {"matmul_widths", rates.matmul_times.widths},
                                {"matmul_s", times_json(rates.matmul_times)},
                                {"attention_flops_per_s", rates.attention_flops_per_s},
                                {"attention_s", rates.attention_s},
                                {"query_value_s", rates.query_value_s},
                                {"score_s", rates.score_s},
                                {"kv_bytes_per_s", rates.kv_bytes_per_s},
                                {"values_per_s", rates.values_per_s},
                                {"op_s", rates.op_s},
                                {"row_s", rates.row_s},
                                {"undisturbed", rates.undisturbed},
                                {"measured_at", unix_s()}};
  write_calibration(file, calibration);
}

std::optional<Link> find_link(const Json& calibration, const std::string& file,
                              const std::string& name) {
  try {
    const JsonReader link = JsonReader(calibration, file).object("links").object(name);
    return Link{.bytes_per_s = link.number("bytes_per_s", 1, kMostRate),
                .latency_s = link.number("latency_s", 0, 1)};
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace

std::string calibration_file() {
  const auto folder = [](const char* variable) {
    const char* value = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe): nobody sets it
    return std::string(value != nullptr && value[0] == '/' ? value : "");
  };
  const std::string cache = folder("XDG_CACHE_HOME"), home = folder("HOME");
  if (!cache.empty()) return cache + "/tessera/rates.json";
  return home.empty() ? "" : home + "/.cache/tessera/rates.json";
}

KernelRates calibrated_rates(int threads, Isa isa, double speed) {
  const std::string file = calibration_file();
  const auto known = find_rates(read_calibration(file), file, entry_name(threads, isa));
  return known ? at_speed(*known, speed) : recalibrated_rates(threads, isa, speed);
}

KernelRates calibrated_card_rates(const std::string& card,
                                  const std::function<KernelRates()>& measure) {
  if (const auto known = known_card_rates(card)) return *known;
  const KernelRates rates = measure();
  const std::string file = calibration_file();
  write_rates(file, read_calibration(file), card_entry_name(card), rates);
  return rates;
}

std::optional<KernelRates> known_card_rates(const std::string& card) {
  const std::string file = calibration_file();
  return find_rates(read_calibration(file), file, card_entry_name(card));
}

std::optional<Link> known_link(const std::string& from_to) {
  const std::string file = calibration_file();
  return find_link(read_calibration(file), file, from_to);
}

std::string link_name(const std::string& from, const std::string& to) {
  return fmt::format("{} to {}", from, to);
}

Link calibrated_link(const std::string& from_to, const std::function<Link()>& measure) {
  if (const auto known = known_link(from_to)) return *known;
  const Link link = measure();
  const std::string file = calibration_file();
  Json calibration = read_calibration(file);
  calibration["links"][from_to] = {{"bytes_per_s", link.bytes_per_s},
                                   {"latency_s", link.latency_s}};
  write_calibration(file, calibration);
  return link;
}

KernelRates recalibrated_rates(int threads, Isa isa, double speed) {
  const KernelRates rates = measure_rates(threads, isa);
  const std::string file = calibration_file();
  write_rates(file, read_calibration(file), entry_name(threads, isa), rates);
  return at_speed(rates, speed);
}

}  // namespace tessera
