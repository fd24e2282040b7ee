#include "text/pre_tokenizer.h"

#include <fmt/format.h>

#include "text/json_keys.h"

namespace tessera {
namespace {

constexpr size_t kMaxSteps = 16;

// Radford et al. 2019 (GPT-2): the pattern of its encoder.
constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

}  // namespace

PreTokenizer::PreTokenizer(const JsonReader& reader) {
  if (reader.string("type") == "Sequence") {
    only_keys(reader, {"type", "pretokenizers"});
    const std::vector<JsonReader> steps = reader.objects("pretokenizers");
    if (steps.empty() || steps.size() > kMaxSteps)
      reader.fail("pretokenizers", fmt::format("1 to {} of them", kMaxSteps),
                  fmt::format("{}", steps.size()));
    for (size_t i = 0; i < steps.size(); ++i) {
      if ((steps[i].string("type") == "ByteLevel") != (i + 1 == steps.size()))
        steps[i].fail("type", "one ByteLevel, at the end", describe_json(steps[i].at("type")));
      read_step(steps[i]);
    }
  } else {
    if (reader.string("type") != "ByteLevel")
      reader.fail("type", "\"ByteLevel\", or a \"Sequence\" that ends with it",
                  describe_json(reader.at("type")), "only byte-level tokenizers are supported");
    read_step(reader);
  }
}

void PreTokenizer::read_step(const JsonReader& reader) {
  const std::string type = reader.string("type");
  const std::string& where = reader.where();
  if (type == "ByteLevel") {
    only_keys(reader, {"type", "add_prefix_space", "trim_offsets", "use_regex"});
    Step step{.add_prefix_space = reader.boolean("add_prefix_space")};
    if (reader.boolean_or("use_regex", true)) step.pattern.emplace_back(kGpt2Pattern, where);
    steps_.push_back(std::move(step));
  } else if (type == "Digits") {
    only_keys(reader, {"type", "individual_digits"});
    Step step;
    step.pattern.emplace_back(reader.boolean("individual_digits") ? R"(\p{N})" : R"(\p{N}+)",
                              where);
    steps_.push_back(std::move(step));
  } else if (type == "Split") {
    read_split(reader);
  } else {
    reader.fail("type", "\"ByteLevel\", \"Digits\" or \"Split\"", describe_json(reader.at("type")));
  }
}

void PreTokenizer::read_split(const JsonReader& reader) {
  only_keys(reader, {"type", "pattern", "behavior", "invert"});
  const JsonReader pattern = reader.object("pattern");
  only_keys(pattern, {"Regex", "String"});
  std::string regex;
  if (!pattern.has("Regex")) {
    // A backslash makes a mark mean itself.
    for (const char c : pattern.string("String")) {
      if (std::string_view("()[]{}.*+?^$|\\").find(c) != std::string_view::npos) regex += '\\';
      regex += c;
    }
  } else {
    regex = pattern.string("Regex");
  }
  const std::string behavior = reader.string("behavior");
  const bool invert = reader.boolean("invert");
  Step step;
  if (behavior == "Removed")
    step.keep = invert ? Keep::kMatches : Keep::kOthers;
  else if (behavior != "Isolated")
    reader.fail("behavior", "\"Isolated\" or \"Removed\"", describe_json(reader.at("behavior")));
  step.pattern.emplace_back(regex, reader.where() + ": " + reader.path() + ".pattern");
  steps_.push_back(std::move(step));
}

void PreTokenizer::split(std::string_view text,
                         const std::function<void(std::string_view)>& on_word) const {
  from(0, text, on_word);
}

void PreTokenizer::from(size_t index, std::string_view text,
                        const std::function<void(std::string_view)>& on_word) const {
  if (text.empty()) return;
  if (index == steps_.size()) return on_word(text);
  const Step& step = steps_[index];
  std::string with_space;
  if (step.add_prefix_space && !text.starts_with(' ')) {
    with_space = " ";
    with_space += text;
    text = with_space;
  }
  if (step.pattern.empty()) return from(index + 1, text, on_word);
  step.pattern.front().split(text, [&](std::string_view part, bool matched) {
    if (step.keep == Keep::kAll || (step.keep == Keep::kMatches) == matched)
      from(index + 1, part, on_word);
  });
}

}  // namespace tessera
