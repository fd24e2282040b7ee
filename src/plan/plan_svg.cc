#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/units.h"
#include "tessera/plan.h"

namespace tessera {
namespace {

// Geometry, in user units.
constexpr double kMargin = 28, kTitle = 64, kColumn = 150, kGap = 44, kBar = 320;
constexpr double kLayersWidth = 56, kLegend = 78, kTimes = 92;

// One part of a device's memory, bottom up.
struct Part {
  const char* name;
  const char* style;  // a class of the style sheet
  uint64_t StageBytes::*bytes;
};
constexpr std::array<Part, 7> kParts = {{{"layers", "layers", &StageBytes::weights},
                                         {"vision tower", "vision", &StageBytes::vision},
                                         {"embedding", "embedding", &StageBytes::embedding},
                                         {"head", "head", &StageBytes::head},
                                         {"KV cache", "kv", &StageBytes::kv},
                                         {"arena", "arena", &StageBytes::arena},
                                         {"fixed", "fixed", &StageBytes::fixed}}};

// Colours stay apart for eyes that confuse red and green (Okabe and Ito 2008), on light and dark.
constexpr const char* kStyle = R"(<style>
  svg { font: 13px system-ui, sans-serif; }
  .page { fill: #fff; } text { fill: #1c2430; } .quiet { fill: #5d6b7c; } .line { stroke: #c3ccd6; fill: none; }
  .layers { fill: #0072b2; } .vision { fill: #d55e00; } .embedding { fill: #009e73; } .head { fill: #cc79a7; }
  .kv { fill: #e69f00; } .arena { fill: #56b4e9; } .fixed { fill: #8a97a6; } .free { fill: #eef1f4; }
  .on { fill: #fff; } .cell { stroke: #fff; stroke-width: .8; } .low { fill-opacity: .55; }
  @media (prefers-color-scheme: dark) {
    .page { fill: #12171e; } text { fill: #e6ebf1; } .quiet { fill: #93a1b1; } .line { stroke: #3a4653; }
    .free { fill: #1e2630; } .cell { stroke: #12171e; } .on { fill: #fff; }
  }
</style>
)";

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out;
}

std::string text_at(double x, double y, std::string_view text, const char* style = "",
                    const char* anchor = "start", double size = 13) {
  return fmt::format(
      "<text x=\"{:.1f}\" y=\"{:.1f}\" class=\"{}\" text-anchor=\"{}\" "
      "font-size=\"{:g}\">{}</text>\n",
      x, y, style, anchor, size, escape(text));
}

std::string rect(double x, double y, double width, double height, const std::string& style,
                 const std::string& tip = "") {
  return fmt::format(
      "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.2f}\" class=\"{}\">"
      "<title>{}</title></rect>\n",
      x, y, width, height, style, escape(tip));
}

// The bytes of one device as a column, its layers as cells beside it.
std::string device_column(const PlanStage& stage, double x, double top, double scale) {
  const double bar_width = kColumn - kLayersWidth - 10;
  const double height = static_cast<double>(stage.budget_bytes) * scale;
  const double bottom = top + kBar;
  std::string out = rect(x, bottom - height, bar_width, height, "free",
                         "budget " + format_bytes(stage.budget_bytes));
  double y = bottom;
  for (const Part& part : kParts) {
    const uint64_t bytes = stage.bytes.*part.bytes;
    if (bytes == 0) continue;
    const double part_height = static_cast<double>(bytes) * scale;
    y -= part_height;
    out += rect(x, y, bar_width, part_height, part.style,
                fmt::format("{}: {}", part.name, format_bytes(bytes)));
    if (part_height > 30)
      out += text_at(x + bar_width / 2, y + part_height / 2 + 4, format_bytes(bytes), "on",
                     "middle", 12);
  }
  out += fmt::format(
      "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" class=\"line\"/>\n", x,
      bottom - height, bar_width, height);

  // One cell a layer, first layer on top; paler below the model's best precision here.
  const int count = stage.layer_count();
  const double cells = std::min(kBar, 14.0 * count);
  for (int i = 0; i < count; ++i) {
    const Precision precision = stage.precisions[static_cast<size_t>(i)];
    out += rect(x + bar_width + 10, bottom - cells + cells * i / count, kLayersWidth - 14,
                cells / count, precision > Precision::kBF16 ? "cell layers low" : "cell layers",
                fmt::format("layer {}: {}", stage.first_layer + i, precision_name(precision)));
  }
  if (count > 0)
    out +=
        text_at(x + bar_width + 10 + (kLayersWidth - 14) / 2, bottom - cells - 6,
                fmt::format("{}-{}", stage.first_layer, stage.last_layer), "quiet", "middle", 12);
  out += text_at(x, top - 12, stage.device_name, "", "start", 14);
  return out;
}

// A decode step and a prompt chunk of each stage, as bars against the slowest.
std::string device_times(const PlanStage& stage, double x, double y, double slowest_decode,
                         double slowest_chunk) {
  const auto bar = [&](double at, double value, double slowest, const char* name) {
    const double width = (kColumn - 10) * value / slowest;
    return rect(x, at, width, 10, "kv", name) +
           text_at(x, at + 26, fmt::format("{} {}", name, format_duration(value)), "quiet", "start",
                   12);
  };
  if (stage.layer_count() == 0)
    return stage.vision_s > 0 ? text_at(x, y + 10, "a picture " + format_duration(stage.vision_s),
                                        "quiet", "start", 12)
                              : "";
  return bar(y, stage.decode_s, slowest_decode, "decode step") +
         bar(y + 40, stage.prefill_chunk_s, slowest_chunk, "prompt chunk");
}

std::string legend(double y) {
  std::string out;
  double x = kMargin;
  for (const Part& part : kParts) {
    out +=
        rect(x, y - 10, 12, 12, part.style) + text_at(x + 17, y, part.name, "quiet", "start", 12);
    x += 32 + 6.6 * static_cast<double>(std::string_view(part.name).size());
  }
  return out + rect(x, y - 10, 12, 12, "free") + text_at(x + 17, y, "free", "quiet", "start", 12);
}

}  // namespace

std::string plan_to_svg(const Plan& plan, std::string_view title) {
  std::vector<PlanStage> columns = plan.stages;
  columns.insert(columns.end(), plan.side_devices.begin(), plan.side_devices.end());
  const auto count = static_cast<double>(std::max<size_t>(columns.size(), 1));
  const double width = std::max(2 * kMargin + count * kColumn + (count - 1) * kGap, 640.0);
  const double top = kTitle + 44;
  const double height = top + kBar + kTimes + kLegend;

  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" "
      "height=\"{1:.0f}\" role=\"img\">\n<title>{2}</title>\n",
      width, height, escape(title));
  out += kStyle;
  out += rect(0, 0, width, height, "page");
  out += text_at(kMargin, 36, title, "", "start", 19);
  if (!plan.fits) {
    out += text_at(kMargin, 60, plan.why_not ? plan.why_not->text : "does not fit", "quiet");
    return out + "</svg>\n";
  }
  out += text_at(
      kMargin, 58,
      fmt::format("first token after {}, then {} a token; context {} x {}",
                  format_duration(plan.predicted.prefill_s),
                  format_duration(plan.predicted.decode_s_per_token), plan.context, plan.sequences),
      "quiet");

  uint64_t largest = 1;
  double slowest_decode = 1e-12, slowest_chunk = 1e-12;
  for (const PlanStage& stage : columns) {
    largest = std::max(largest, stage.budget_bytes);
    slowest_decode = std::max(slowest_decode, stage.decode_s);
    slowest_chunk = std::max(slowest_chunk, stage.prefill_chunk_s);
  }
  const double scale = kBar / static_cast<double>(largest);
  double x = kMargin;
  for (size_t i = 0; i < columns.size(); ++i) {
    out += device_column(columns[i], x, top, scale);
    out += device_times(columns[i], x, top + kBar + 18, slowest_decode, slowest_chunk);
    if (i + 1 < plan.stages.size())
      out += text_at(x + kColumn + kGap / 2 - 4, top + kBar / 2, "\u2192", "quiet", "middle", 22);
    x += kColumn + kGap;
  }
  out += legend(height - 22);
  return out + "</svg>\n";
}

}  // namespace tessera
