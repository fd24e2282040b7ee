#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/file.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/signals.h"
#include "cli/start_engine.h"
#include "cli/table.h"

namespace tessera {
namespace {

std::string nats(double kl) {
  return fmt::format("{:.2e}", kl);
}

// "int8 x 20, int4 x 10", best first.
std::string mixture(const std::vector<Precision>& layers) {
  std::map<Precision, int> counts;
  for (const Precision precision : layers) ++counts[precision];
  std::string out;
  for (const auto& [precision, count] : counts)
    out += fmt::format("{}{} x {}", out.empty() ? "" : ", ", precision_name(precision), count);
  return out;
}

std::string results_table(const QualityBench& bench) {
  const bool predicted = std::ranges::any_of(
      bench.results, [](const QualityResult& result) { return result.predicted_kl.has_value(); });
  std::vector<std::vector<std::string>> rows = {
      {"stored as", "beside", "KL, nats/token", "+-", "same top", "perplexity", "reference's"}};
  if (predicted) rows.front().push_back("KL predicted");
  rows.front().push_back("layers");
  for (const QualityResult& result : bench.results) {
    rows.push_back({result.name, std::string(precision_name(result.reference)), nats(result.kl),
                    nats(result.kl_error), fmt::format("{:.2f} %", 100 * result.top1),
                    fmt::format("{:.4f}", result.perplexity),
                    fmt::format("{:.4f}", result.reference_perplexity)});
    if (predicted) rows.back().push_back(result.predicted_kl ? nats(*result.predicted_kl) : "-");
    rows.back().push_back(mixture(result.layers));
  }
  return format_table(rows);
}

std::string sensitivities_table(const QualityBench& bench) {
  if (bench.sensitivities.empty()) return "";
  std::vector<std::vector<std::string>> rows = {{"alone"}};
  for (const auto& [precision, kl] : bench.sensitivities.front().kl)
    rows.front().emplace_back(precision_name(precision));
  for (const UnitSensitivity& unit : bench.sensitivities) {
    std::vector<std::string>& row = rows.emplace_back(std::vector{unit.unit});
    for (const auto& [precision, kl] : unit.kl) row.push_back(nats(kl));
  }
  return "\n" + format_table(rows);
}

std::string to_table(const QualityBench& bench) {
  std::string text = fmt::format("{} tokens of text", bench.text_tokens);
  if (bench.pictures > 0)
    text += fmt::format(", {} about {} pictures", bench.picture_tokens, bench.pictures);
  text += " compared\n\n" + results_table(bench) + sensitivities_table(bench);
  if (bench.rank_correlation)
    text += fmt::format("\nrank correlation of predicted and measured: {:.3f}\n",
                        *bench.rank_correlation);
  return text;
}

Json to_json(const QualityBench& bench) {
  Json results = Json::array(), sensitivities = Json::array();
  for (const QualityResult& result : bench.results) {
    Json layers = Json::array();
    for (const Precision precision : result.layers) layers.push_back(precision_name(precision));
    results.push_back(
        {{"name", result.name},
         {"reference", precision_name(result.reference)},
         {"layers", std::move(layers)},
         {"head", precision_name(result.head)},
         {"tokens", result.tokens},
         {"kl", result.kl},
         {"kl_error", result.kl_error},
         {"top1", result.top1},
         {"perplexity", result.perplexity},
         {"reference_perplexity", result.reference_perplexity},
         {"predicted_kl", result.predicted_kl ? Json(*result.predicted_kl) : Json()}});
  }
  for (const UnitSensitivity& unit : bench.sensitivities) {
    Json kl = Json::object();
    for (const auto& [precision, value] : unit.kl)
      kl[std::string(precision_name(precision))] = value;
    sensitivities.push_back({{"unit", unit.unit}, {"kl", std::move(kl)}});
  }
  return {{"text_tokens", bench.text_tokens},
          {"pictures", bench.pictures},
          {"picture_tokens", bench.picture_tokens},
          {"results", std::move(results)},
          {"sensitivities", std::move(sensitivities)},
          {"rank_correlation", bench.rank_correlation ? Json(*bench.rank_correlation) : Json()}};
}

}  // namespace

int execute(const BenchQualityCommand& command) {
  // Better said now than after an hour of measuring.
  const std::string folder = std::filesystem::path(command.sensitivities_to).parent_path().string();
  if (!folder.empty() && !directory_exists(folder))
    throw Error({.where = command.sensitivities_to,
                 .expected = "a folder to write into",
                 .found = "none called " + folder});
  Console console(STDERR_FILENO, command.output.verbosity);
  const InterruptScope interrupt;
  LoadProgressView progress(console);
  QualityOptions options = command.quality;
  report_loading(options.engine, console, progress);
  options.engine.on_plan = {};  // where the layers are does not matter here
  options.measure_sensitivities = !command.sensitivities_to.empty();
  options.on_progress = [&](std::string_view what, double share) {
    console.status(fmt::format("comparing  {:3.0f} %  {}", 100 * share, what));
  };
  const QualityBench bench = bench_quality(options, &interrupt.flag());
  console.clear_status();
  if (!command.sensitivities_to.empty())
    write_file_atomic(command.sensitivities_to, bench.sensitivities_json);

  Output output(STDOUT_FILENO);
  output.write(command.output.json ? to_json_line(to_json(bench)) : to_table(bench));
  output.check();
  return output.intact() ? kDoneStatus : kFailedStatus;
}

}  // namespace tessera
