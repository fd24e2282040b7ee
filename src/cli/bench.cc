#include <fmt/format.h>
#include <unistd.h>

#include "base/units.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/signals.h"
#include "cli/start_engine.h"
#include "cli/table.h"

namespace tessera {
namespace {

std::string billions(double per_s) {
  return fmt::format("{:.1f}", per_s / 1e9);
}

std::string share(double of, double most) {
  return most > 0 ? fmt::format("{:.0f} %", 100 * of / most) : "-";
}

std::string to_table(const MachineBench& bench) {
  std::vector<std::vector<std::string>> rows = {
      {"weights", "peak GFLOP/s", "256 rows GFLOP/s", "of peak", "1 row GB/s", "of reads"}};
  for (const KernelBench& kernel : bench.kernels)
    rows.push_back({std::string(precision_name(kernel.precision)),
                    billions(kernel.peak_flops_per_s), billions(kernel.prefill_flops_per_s),
                    share(kernel.prefill_flops_per_s, kernel.peak_flops_per_s),
                    billions(kernel.decode_bytes_per_s),
                    share(kernel.decode_bytes_per_s, bench.read_bytes_per_s)});
  return fmt::format("{}, {} threads, {}\nreads {} from memory\n\n", bench.cpu, bench.threads,
                     bench.instructions, format_bandwidth(bench.read_bytes_per_s)) +
         format_table(rows);
}

Json to_json(const MachineBench& bench) {
  Json kernels = Json::array();
  for (const KernelBench& kernel : bench.kernels)
    kernels.push_back({{"precision", precision_name(kernel.precision)},
                       {"peak_flops_per_s", kernel.peak_flops_per_s},
                       {"prefill_flops_per_s", kernel.prefill_flops_per_s},
                       {"decode_bytes_per_s", kernel.decode_bytes_per_s}});
  return {{"cpu", bench.cpu},
          {"instructions", bench.instructions},
          {"threads", bench.threads},
          {"read_bytes_per_s", bench.read_bytes_per_s},
          {"kernels", std::move(kernels)}};
}

std::string to_table(const ModelBench& bench) {
  std::vector<std::vector<std::string>> rows = {
      {"", "time", "tokens/s", "work"},
      {fmt::format("prefill, {} tokens", bench.prompt_tokens), format_duration(bench.prefill_s),
       fmt::format("{:.1f}", bench.prefill_tokens_per_s()),
       billions(bench.flops_per_prefill / bench.prefill_s) + " GFLOP/s"},
      {fmt::format("decode, {} at once", bench.sequences), format_duration(bench.decode_step_s),
       fmt::format("{:.1f}", bench.decode_tokens_per_s()),
       billions(bench.bytes_per_decode_step / bench.decode_step_s) + " GB/s"}};
  if (bench.picture_s > 0)
    rows.push_back({fmt::format("a picture, planned {}", format_duration(bench.planned_picture_s)),
                    format_duration(bench.picture_s),
                    fmt::format("{:.1f}", bench.picture_tokens_per_s()),
                    billions(bench.flops_per_picture / bench.picture_s) + " GFLOP/s"});
  if (bench.read_bytes_per_s > 0)
    rows.push_back({"reads beside it", "", share(bench.decode_share_of_reads, 1),
                    billions(bench.read_bytes_per_s) + " GB/s"});
  std::vector<std::vector<std::string>> stages = {
      {"device", "layers", "decode planned", "measured", "1000 tokens planned", "measured"}};
  for (const DeviceReport& device : bench.devices)
    if (device.last_layer >= device.first_layer)
      stages.push_back(
          {device.name, fmt::format("{}-{}", device.first_layer, device.last_layer),
           format_duration(device.planned_decode_s), format_duration(device.measured_decode_s),
           format_duration(device.planned_prefill_s), format_duration(device.measured_prefill_s)});
  return fmt::format("loaded {} in {}\n\n", format_bytes(bench.loaded_bytes),
                     format_duration(bench.load_s)) +
         format_table(rows) + "\n" + format_table(stages);
}

Json picture_to_json(const ModelBench& bench) {
  if (bench.picture_s <= 0) return nullptr;
  return {{"s", bench.picture_s},
          {"planned_s", bench.planned_picture_s},
          {"tokens", bench.picture_tokens},
          {"flops_per_s", bench.flops_per_picture / bench.picture_s}};
}

Json to_json(const ModelBench& bench) {
  Json devices = Json::array();
  for (const DeviceReport& device : bench.devices)
    devices.push_back({{"name", device.name},
                       {"layers", {device.first_layer, device.last_layer}},
                       {"planned_bytes", device.planned_bytes},
                       {"measured_peak_bytes", device.measured_peak_bytes},
                       {"planned_decode_s", device.planned_decode_s},
                       {"measured_decode_s", device.measured_decode_s},
                       {"planned_prefill_s_per_1000", device.planned_prefill_s},
                       {"measured_prefill_s_per_1000", device.measured_prefill_s}});
  return {{"load_s", bench.load_s},
          {"loaded_bytes", bench.loaded_bytes},
          {"prompt_tokens", bench.prompt_tokens},
          {"new_tokens", bench.new_tokens},
          {"sequences", bench.sequences},
          {"prefill_s", bench.prefill_s},
          {"decode_step_s", bench.decode_step_s},
          {"prefill_tokens_per_s", bench.prefill_tokens_per_s()},
          {"decode_tokens_per_s", bench.decode_tokens_per_s()},
          {"prefill_flops_per_s", bench.flops_per_prefill / bench.prefill_s},
          {"decode_bytes_per_s", bench.bytes_per_decode_step / bench.decode_step_s},
          {"read_bytes_per_s", bench.read_bytes_per_s},
          {"decode_share_of_reads", bench.decode_share_of_reads},
          {"picture", picture_to_json(bench)},
          {"devices", std::move(devices)}};
}

template <typename Bench>
int print(const Bench& bench, bool json) {
  Output output(STDOUT_FILENO);
  output.write(json ? to_json_line(to_json(bench)) : to_table(bench));
  output.check();
  return output.intact() ? kDoneStatus : kFailedStatus;
}

}  // namespace

int execute(const BenchMachineCommand& command) {
  return print(bench_machine(), command.output.json);
}

int execute(const BenchModelCommand& command) {
  Console console(STDERR_FILENO, command.output.verbosity);
  const InterruptScope interrupt;
  LoadProgressView progress(console);
  ModelBenchOptions options = command.bench;
  report_loading(options.engine, console, progress);
  const ModelBench bench = bench_model(options, &interrupt.flag());
  console.clear_status();
  return print(bench, command.output.json);
}

}  // namespace tessera
