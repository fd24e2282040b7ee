#include "cli/arguments.h"

#include <algorithm>
#include <cctype>

#include "tessera/error.h"

namespace tessera {
namespace {

bool is_long_option(std::string_view arg) {
  return arg.size() > 2 && arg.starts_with("--");
}

// "--max_new-tokens=5" -> "max-new-tokens"
std::string name_of(std::string_view arg) {
  std::string name(arg.substr(2, arg.find('=') - 2));
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

const OptionName* find(const std::string& name, std::span<const OptionName> known) {
  const auto at = std::find_if(known.begin(), known.end(),
                               [&](const OptionName& option) { return option.name == name; });
  return at == known.end() ? nullptr : &*at;
}

[[noreturn]] void throw_unknown(std::string_view arg, std::span<const OptionName> known) {
  std::vector<std::string> names;
  for (const OptionName& option : known) names.push_back(option.name);
  const auto nearest = nearest_name(name_of(arg), names);
  throw UsageError({.where = std::string(arg.substr(0, arg.find('='))),
                    .what = "no such option",
                    .hint = nearest ? "did you mean --" + *nearest + "?" : ""});
}

// Optimal string alignment: insertions, deletions, changes and swaps of neighbours cost one each.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before_last, last, row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    before_last = std::move(last);
    last = row;
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] =
          std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0U : 1U)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
  }
  return row.back();
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

}  // namespace

std::vector<std::string> normalise_arguments(std::span<const std::string> args,
                                             std::span<const OptionName> known) {
  std::vector<std::string> out;
  for (size_t i = 0; i < args.size(); ++i) {
    const std::string& arg = args[i];
    if (arg == "--") {
      out.insert(out.end(), args.begin() + static_cast<ptrdiff_t>(i), args.end());
      break;
    }
    if (!is_long_option(arg)) {
      out.push_back(arg);
      continue;
    }
    const std::string name = name_of(arg);
    const OptionName* option = find(name, known);
    if (option == nullptr) throw_unknown(arg, known);
    out.push_back("--" + name);
    const size_t equals = arg.find('=');
    if (!option->takes_value) {
      if (equals != arg.npos)
        throw UsageError({.where = "--" + name, .what = "takes no value", .found = arg});
    } else if (equals != arg.npos) {
      out.push_back(arg.substr(equals + 1));
    } else {
      const bool at_end = i + 1 == args.size();
      if (at_end || (is_long_option(args[i + 1]) && find(name_of(args[i + 1]), known) != nullptr))
        throw UsageError(
            {.where = "--" + name,
             .expected = "a value",
             .found = at_end ? "the end of the command line" : "the option " + args[i + 1],
             .hint = at_end ? "" : "--" + name + "=" + args[i + 1] + " if that is the value"});
      out.push_back(args[++i]);
    }
  }
  return out;
}

std::optional<std::string> nearest_name(std::string_view word,
                                        std::span<const std::string> candidates) {
  const std::string wanted = lower(word);
  std::optional<std::string> nearest;
  size_t least = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    // An abbreviation or a longer form (--image, --max-tokens) is as near as one mistake.
    const std::string name = lower(candidate);
    const bool part = wanted.size() >= 3 && name.starts_with(wanted);
    const size_t distance = part ? 1 : edit_distance(wanted, name);
    if (distance < least) {
      least = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace tessera
