#include "server/status_json.h"

namespace tessera {
namespace {

Json device_to_json(const DeviceStatus& device) {
  return {{"name", device.name},           {"stage", device.stage},
          {"busy_s", device.busy_s},       {"steps", device.steps},
          {"rows", device.rows},           {"link_bytes", device.link_bytes},
          {"planned_s", device.planned_s}, {"measured_s", device.measured_s}};
}

Json micro_batch_to_json(const MicroBatchStatus& batch) {
  return {{"id", batch.id},
          {"stage", batch.stage},
          {"decode_rows", batch.decode_rows},
          {"prefill_rows", batch.prefill_rows}};
}

Json plan_in_short(const Plan& plan) {
  return {{"objective", objective_name(plan.objective)},
          {"kv", kv_format_name(plan.kv)},
          {"context", plan.context},
          {"sequences", plan.sequences},
          {"kv_tokens", plan.kv_tokens},
          {"stages", plan.stages.size()},
          {"tokens_per_s", plan.predicted.tokens_per_s},
          {"decode_s_per_token", plan.predicted.decode_s_per_token},
          {"prefill_s", plan.predicted.prefill_s}};
}

}  // namespace

Json status_to_json(const EngineStatus& status) {
  Json micro_batches = Json::array(), devices = Json::array();
  for (const MicroBatchStatus& batch : status.micro_batches)
    micro_batches.push_back(micro_batch_to_json(batch));
  for (const DeviceStatus& device : status.devices) devices.push_back(device_to_json(device));
  return {{"ready", status.ready},
          {"why_not", status.why_not},
          {"uptime_s", status.uptime_s},
          {"running", status.running},
          {"waiting", status.waiting},
          {"kv_blocks", status.kv_blocks},
          {"kv_blocks_used", status.kv_blocks_used},
          {"kv_blocks_cached", status.kv_blocks_cached},
          {"image_cache_bytes", status.image_cache_bytes},
          {"requests", status.requests},
          {"failed", status.failed},
          {"cancelled", status.cancelled},
          {"refused", status.refused},
          {"prompt_tokens", status.prompt_tokens},
          {"cached_prompt_tokens", status.cached_prompt_tokens},
          {"new_tokens", status.new_tokens},
          {"pictures", status.pictures},
          {"cached_pictures", status.cached_pictures},
          {"preemptions", status.preemptions},
          {"steps", status.steps},
          {"schedule_s", status.schedule_s},
          {"plan_epoch", status.plan_epoch},
          {"micro_batches", std::move(micro_batches)},
          {"devices", std::move(devices)}};
}

Json device_reports_to_json(const std::vector<DeviceReport>& reports) {
  Json list = Json::array();
  for (const DeviceReport& report : reports)
    list.push_back({{"name", report.name},
                    {"first_layer", report.first_layer},
                    {"last_layer", report.last_layer},
                    {"vision", report.vision},
                    {"embedding", report.embedding},
                    {"head", report.head},
                    {"budget_bytes", report.budget_bytes},
                    {"planned_bytes", report.planned_bytes},
                    {"measured_peak_bytes", report.measured_peak_bytes},
                    {"planned_decode_s", report.planned_decode_s},
                    {"measured_decode_s", report.measured_decode_s},
                    {"planned_prefill_s", report.planned_prefill_s},
                    {"measured_prefill_s", report.measured_prefill_s}});
  return list;
}

Json engine_to_json(const Engine& engine) {
  Json json = {{"model", engine.model_name()},
               {"context", engine.context()},
               {"takes_pictures", engine.takes_pictures()},
               {"load_s", engine.load_s()},
               {"loaded_bytes", engine.loaded_bytes()},
               {"host_peak_bytes", engine.host_peak_bytes()}};
  json.update(status_to_json(engine.status()));
  json["device_reports"] = device_reports_to_json(engine.devices());
  json["plan"] = plan_in_short(engine.plan());
  return json;
}

}  // namespace tessera
