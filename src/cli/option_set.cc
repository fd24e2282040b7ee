#include "cli/option_set.h"

#include <algorithm>

#include "cli/arguments.h"
#include "tessera/error.h"

namespace tessera {
namespace {

constexpr size_t kHelpColumn = 30;  // where descriptions begin

std::vector<OptionName> long_options(const CLI::App& app) {
  std::vector<OptionName> names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames())
      names.push_back({.name = name, .takes_value = option->get_items_expected_max() > 0});
  return names;
}

}  // namespace

OptionSet::OptionSet(const std::string& command, const std::string& summary,
                     const std::string& examples)
    : app_(summary, command) {
  app_.get_formatter()->column_width(kHelpColumn);
  app_.get_formatter()->label("REQUIRED", "(required)");
  app_.footer("\n" + examples);
  app_.set_help_flag("-h,--help", "This text");
}

CLI::Option* OptionSet::value(const std::string& name, const std::string& kind, const Take& take,
                              const std::string& description) {
  return app_.add_option_function<std::string>(name, take, description)
      ->type_name(kind)
      ->take_last()
      ->group(group_);
}

CLI::Option* OptionSet::values(const std::string& name, const std::string& kind, const Take& take,
                               const std::string& description) {
  return value(name, kind, take, description)->trigger_on_parse();
}

CLI::Option* OptionSet::flag(const std::string& name, bool& to, const std::string& description) {
  return flag(
      name, [&to] { to = true; }, description);
}

CLI::Option* OptionSet::flag(const std::string& name, const std::function<void()>& set,
                             const std::string& description) {
  return app_.add_flag_callback(name, set, description)->group(group_);
}

CLI::Option* OptionSet::positional(const std::string& name, const Take& take,
                                   const std::string& description) {
  return app_.add_option_function<std::string>(name, take, description)->type_name("");
}

bool OptionSet::parse(std::span<const std::string> args) {
  const auto usage = [&](const std::string& what) {
    return UsageError(
        {.where = app_.get_name(), .what = what, .hint = app_.get_name() + " --help explains"});
  };
  std::vector<std::string> left = normalise_arguments(args, long_options(app_));
  std::reverse(left.begin(), left.end());  // CLI11 takes them from the back
  try {
    app_.parse(left);
  } catch (const CLI::CallForHelp&) {
    return false;
  } catch (const CLI::ExtrasError&) {
    // The one that CLI11 could not place; an option of a wrong name did not get this far.
    std::string extra = app_.remaining(true).empty() ? "" : app_.remaining(true).front();
    throw usage("unexpected argument \"" + extra + "\"");
  } catch (const CLI::ParseError& e) {
    throw usage(e.what());
  }
  return true;
}

}  // namespace tessera
