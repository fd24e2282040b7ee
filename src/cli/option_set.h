#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace tessera {

/// The options of one command, declared with CLI11, which parses them and writes the help. Of an
/// option given twice the last one counts, as in most programs.
class OptionSet {
 public:
  /// `summary` stands above the options in the help, `examples` below them.
  OptionSet(const std::string& command, const std::string& summary, const std::string& examples);

  /// An option with a value, given to `take` as text; `take` may throw UsageError.
  using Take = std::function<void(const std::string& value)>;
  CLI::Option* value(const std::string& name, const std::string& kind, const Take& take,
                     const std::string& description);
  /// An option that may be given several times; `take` is called for each.
  CLI::Option* values(const std::string& name, const std::string& kind, const Take& take,
                      const std::string& description);
  CLI::Option* flag(const std::string& name, bool& to, const std::string& description);
  CLI::Option* flag(const std::string& name, const std::function<void()>& set,
                    const std::string& description);
  CLI::Option* positional(const std::string& name, const Take& take,
                          const std::string& description);

  /// The options declared from here on stand under this heading in the help.
  void group(const std::string& heading) { group_ = heading; }

  /// True: parsed. False: the user asks for the help. Throws UsageError.
  bool parse(std::span<const std::string> args);
  std::string help() const { return app_.help(); }

 private:
  CLI::App app_;
  std::string group_ = "Options";
};

}  // namespace tessera
