#include <fmt/format.h>
#include <unistd.h>

#include "base/units.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/gpus.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/table.h"
#include "tessera/devices.h"

namespace tessera {
namespace {

std::string plural(int count, const std::string& one) {
  return fmt::format("{} {}{}", count, one, count == 1 ? "" : "s");
}

std::string format_flops(double flops_per_s) {
  return fmt::format("{:.1f} GFLOP/s", flops_per_s / 1e9);
}

std::string threads_of(const HostReport& host) {
  std::string text = fmt::format("{}, {}, {}", plural(host.packages, "package"),
                                 plural(host.cores, "core"), plural(host.threads, "thread"));
  if (host.allowed_threads < host.threads)
    text += fmt::format("; {} allowed to this process", host.allowed_threads);
  if (host.cpu_quota > 0) text += fmt::format("; time for {:.3g} of them", host.cpu_quota);
  return text;
}

std::string caches_of(const HostReport& host) {
  std::string text;
  for (const HostReport::Cache& cache : host.caches)
    text += fmt::format("{}L{} {}{}", text.empty() ? "" : ", ", cache.level,
                        cache.count > 1 ? fmt::format("{} x ", cache.count) : "",
                        format_bytes(cache.bytes));
  return text.empty() ? "unknown" : text;
}

std::string host_table(const HostReport& host) {
  return format_table(
      {{"cpu", host.cpu.empty() ? "unknown" : host.cpu},
       {"", threads_of(host)},
       {"caches", caches_of(host)},
       {"memory",
        fmt::format("{}, {} available, {}", format_bytes(host.memory_bytes),
                    format_bytes(host.available_bytes), plural(host.numa_nodes, "NUMA node"))},
       {"reads", format_bandwidth(host.read_bytes_per_s) + " from memory, measured"},
       {"matmul",
        fmt::format("f32 {}, bf16 weights {}, measured", format_flops(host.f32_flops_per_s),
                    format_flops(host.bf16_flops_per_s))}});
}

Json to_json(const DevicesReport& report) {
  const HostReport& host = report.host;
  Json caches = Json::array(), gpus = Json::array();
  for (const HostReport::Cache& cache : host.caches)
    caches.push_back({{"level", cache.level}, {"bytes", cache.bytes}, {"count", cache.count}});
  for (const GpuReport& gpu : report.gpus) gpus.push_back(gpu_to_json(gpu));
  Json json;
  json["host"] = {{"cpu", host.cpu},
                  {"packages", host.packages},
                  {"cores", host.cores},
                  {"threads", host.threads},
                  {"allowed_threads", host.allowed_threads},
                  {"cpu_quota", host.cpu_quota > 0 ? Json(host.cpu_quota) : Json()},
                  {"caches", std::move(caches)},
                  {"numa_nodes", host.numa_nodes},
                  {"memory_bytes", host.memory_bytes},
                  {"available_bytes", host.available_bytes},
                  {"read_bytes_per_s", host.read_bytes_per_s},
                  {"f32_flops_per_s", host.f32_flops_per_s},
                  {"bf16_flops_per_s", host.bf16_flops_per_s}};
  json["gpus"] = std::move(gpus);
  return json;
}

}  // namespace

int execute(const DevicesCommand& command) {
  Console console(STDERR_FILENO, command.output.verbosity);
  Output output(STDOUT_FILENO);
  const DevicesReport report = inspect_devices(console.log_sink(), command.measure);
  output.write(command.output.json ? to_json_line(to_json(report))
                                   : host_table(report.host) + "\n" + describe_gpus(report.gpus));
  output.check();
  return output.intact() ? kDoneStatus : kFailedStatus;
}

}  // namespace tessera
