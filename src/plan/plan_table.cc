#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/units.h"
#include "tessera/plan.h"

namespace tessera {
namespace {

using Row = std::vector<std::string>;

std::string align(const std::vector<Row>& rows) {
  std::vector<size_t> widths(rows.front().size(), 0);
  for (const Row& row : rows)
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c)
      line += c < 2 ? fmt::format("{:<{}}  ", row[c], widths[c])   // words to the left,
                    : fmt::format("{:>{}}  ", row[c], widths[c]);  // numbers to the right
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string holds(const PlanStage& stage) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (stage.vision) add("vision");
  if (stage.embedding) add("embedding");
  if (stage.layer_count() > 0)
    add(fmt::format("layers {}-{}", stage.first_layer, stage.last_layer));
  if (stage.head) add("head");
  return text;
}

// "bf16", or "4 bf16, 16 int8" where a stage has several.
std::string precisions(const PlanStage& stage) {
  std::map<Precision, int> counts;
  for (const Precision precision : stage.precisions) ++counts[precision];
  if (counts.size() == 1) return std::string(precision_name(counts.begin()->first));
  std::string text;
  for (const auto& [precision, count] : counts)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, precision_name(precision));
  return text;
}

Row stage_row(const PlanStage& stage) {
  const StageBytes& bytes = stage.bytes;
  const bool layers = stage.layer_count() > 0;
  return {stage.device_name,
          holds(stage),
          layers ? precisions(stage) : "",
          format_bytes(bytes.weights + bytes.vision + bytes.embedding + bytes.head),
          format_bytes(bytes.kv),
          format_bytes(bytes.arena + bytes.fixed),
          format_bytes(stage.budget_bytes - std::min(stage.budget_bytes, bytes.total())),
          format_bytes(stage.budget_bytes),
          layers ? format_duration(stage.decode_s) : "",
          layers ? format_duration(stage.prefill_chunk_s) : ""};
}

}  // namespace

std::string plan_to_table(const Plan& plan) {
  if (!plan.fits) return (plan.why_not ? plan.why_not->text : "does not fit") + "\n";

  const std::string kv = fmt::format("KV {}", kv_format_name(plan.kv));
  std::vector<Row> rows = {{"device", "holds", "precision", "weights", kv, "scratch", "free",
                            "budget", "decode step", "prompt chunk"}};
  for (const PlanStage& stage : plan.stages) rows.push_back(stage_row(stage));
  for (const PlanStage& stage : plan.side_devices) rows.push_back(stage_row(stage));
  std::string text = align(rows);

  const PlanPrediction& predicted = plan.predicted;
  const double bound = plan.bound.objective_s;
  if (plan.embedding_device < 0) text += "host holds the embedding\n";
  text += fmt::format(
      "context {} tokens x {}; room for {} tokens in all\n"
      "predicted: first token after {}, then {} a token, {:.1f} tokens/s in all\n",
      plan.context, plan.sequences, plan.kv_room_tokens, format_duration(predicted.prefill_s),
      format_duration(predicted.decode_s_per_token), predicted.tokens_per_s);
  if (bound > 0 && plan.objective != Objective::kContext) {
    const double value =
        plan.objective == Objective::kThroughput ? predicted.bottleneck_s : predicted.answer_s;
    text += fmt::format("best for {}: {}; no plan can be below {} ({:.1f} % apart)\n",
                        objective_name(plan.objective), format_duration(value),
                        format_duration(bound), 100 * (value / bound - 1));
  }
  if (plan.why_not) text += plan.why_not->text + "\n";
  return text;
}

}  // namespace tessera
