#include "server/engine_metrics.h"

#include <string>
#include <utility>

namespace tessera {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

class Families {
 public:
  // A family of its own; what add() adds until the next one belongs to it.
  Families& gauge(std::string name, std::string help) {
    return family(std::move(name), std::move(help), MetricType::Gauge);
  }
  Families& counter(std::string name, std::string help) {
    return family(std::move(name), std::move(help), MetricType::Counter);
  }
  template <typename Number>
  Families& add(Number value, std::vector<ClientMetric::Label> labels = {}) {
    ClientMetric metric;
    metric.label = std::move(labels);
    if (families_.back().type == MetricType::Counter) {
      metric.counter.value = static_cast<double>(value);
    } else {
      metric.gauge.value = static_cast<double>(value);
    }
    families_.back().metric.push_back(std::move(metric));
    return *this;
  }
  // One value a device.
  template <typename Device, typename Value>
  Families& each(const std::vector<Device>& devices, const Value& value) {
    for (const Device& device : devices) add(value(device), {{"device", device.name}});
    return *this;
  }
  std::vector<MetricFamily> take() { return std::move(families_); }

 private:
  Families& family(std::string name, std::string help, MetricType type) {
    MetricFamily& made = families_.emplace_back();
    made.name = std::move(name);
    made.help = std::move(help);
    made.type = type;
    return *this;
  }

  std::vector<MetricFamily> families_;
};

void add_queue(Families& out, const EngineStatus& now) {
  out.gauge("tessera_ready", "1 while the engine can serve").add(now.ready ? 1 : 0);
  out.counter("tessera_uptime_seconds_total", "Since the engine began to serve").add(now.uptime_s);
  out.gauge("tessera_sequences_running", "Sequences that run").add(now.running);
  out.gauge("tessera_requests_waiting", "Requests in the queue").add(now.waiting);
  out.counter("tessera_engine_requests_total", "Requests that reached the engine, and their ends")
      .add(now.requests, {{"what", "submitted"}})
      .add(now.failed, {{"what", "failed"}})
      .add(now.cancelled, {{"what", "cancelled"}})
      .add(now.refused, {{"what", "refused"}});
  out.counter("tessera_preemptions_total", "Sequences put back for want of KV blocks")
      .add(now.preemptions);
}

void add_batches(Families& out, const EngineStatus& now) {
  int64_t decode = 0, prefill = 0;
  for (const MicroBatchStatus& batch : now.micro_batches) {
    decode += batch.decode_rows;
    prefill += batch.prefill_rows;
  }
  out.gauge("tessera_micro_batches", "Micro-batches in the pipeline").add(now.micro_batches.size());
  out.gauge("tessera_batch_rows", "Rows of the micro-batches in the pipeline")
      .add(decode, {{"kind", "decode"}})
      .add(prefill, {{"kind", "prefill"}});
  out.counter("tessera_steps_total", "Micro-batches so far").add(now.steps);
  out.counter("tessera_schedule_seconds_total", "Spent on making and committing micro-batches")
      .add(now.schedule_s);
}

void add_caches(Families& out, const EngineStatus& now) {
  out.gauge("tessera_kv_blocks", "Blocks of the KV cache, by use")
      .add(now.kv_blocks_used, {{"use", "running"}})
      .add(now.kv_blocks_cached, {{"use", "cached"}})
      .add(now.kv_blocks - now.kv_blocks_used - now.kv_blocks_cached, {{"use", "free"}});
  out.gauge("tessera_image_cache_bytes", "Pictures' rows kept for requests to come")
      .add(now.image_cache_bytes);
  out.counter("tessera_prompt_tokens_total", "Tokens of prompts, by where their rows came from")
      .add(now.prompt_tokens - now.cached_prompt_tokens, {{"from", "computed"}})
      .add(now.cached_prompt_tokens, {{"from", "prefix_cache"}});
  out.counter("tessera_pictures_total", "Pictures, by where their rows came from")
      .add(now.pictures - now.cached_pictures, {{"from", "computed"}})
      .add(now.cached_pictures, {{"from", "image_cache"}});
  out.counter("tessera_new_tokens_total", "Tokens of answers").add(now.new_tokens);
}

void add_devices(Families& out, const std::vector<DeviceStatus>& devices) {
  using D = DeviceStatus;
  out.counter("tessera_device_busy_seconds_total", "Time that the device computed")
      .each(devices, [](const D& d) { return d.busy_s; });
  out.counter("tessera_device_steps_total", "Micro-batches that passed the device")
      .each(devices, [](const D& d) { return d.steps; });
  out.counter("tessera_device_rows_total", "Rows that passed the device")
      .each(devices, [](const D& d) { return d.rows; });
  out.counter("tessera_device_link_bytes_total", "Sent to the next stage")
      .each(devices, [](const D& d) { return d.link_bytes; });
  out.counter("tessera_device_decode_planned_seconds_total",
              "What the plan said of the decode steps that ran")
      .each(devices, [](const D& d) { return d.planned_s; });
  out.counter("tessera_device_decode_measured_seconds_total", "What these steps took")
      .each(devices, [](const D& d) { return d.measured_s; });
}

void add_reports(Families& out, const std::vector<DeviceReport>& reports) {
  using D = DeviceReport;
  out.gauge("tessera_device_budget_bytes", "What the device may use").each(reports, [](const D& d) {
    return d.budget_bytes;
  });
  out.gauge("tessera_device_planned_bytes", "What the plan said").each(reports, [](const D& d) {
    return d.planned_bytes;
  });
  out.gauge("tessera_device_measured_peak_bytes", "The most that was in use")
      .each(reports, [](const D& d) { return d.measured_peak_bytes; });
  out.gauge("tessera_device_layers", "Decoder layers on the device").each(reports, [](const D& d) {
    return d.last_layer - d.first_layer + 1;
  });
}

}  // namespace

std::vector<MetricFamily> engine_families(const Engine& engine) {
  const EngineStatus now = engine.status();
  Families out;
  add_queue(out, now);
  add_batches(out, now);
  add_caches(out, now);
  add_devices(out, now.devices);
  add_reports(out, engine.devices());
  out.gauge("tessera_load_seconds", "That loading the model took").add(engine.load_s());
  out.gauge("tessera_model_info", "Always 1; the model's name")
      .add(1, {{"model", engine.model_name()}});
  return out.take();
}

}  // namespace tessera
