#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "tests/support/run_program.h"

namespace tessera {

inline const std::string kGolden = TESSERA_GOLDEN_DIR;
inline const std::string kTiny = kGolden + "/yi_vl_tiny";
inline const std::string kPicture = kGolden + "/pictures/rgb.png";
inline const std::string kThreeDevices = "3xcpu@40MiB{threads=1}";
/// Slow enough, with a question of many tokens, that what happens happens in the middle.
inline const std::string kSlowDevices = "2xcpu@40MiB{threads=1;speed=0.05;link=200KB/s}";
inline const std::string kLongQuestion(600, '7');  // a token each

using Args = std::vector<std::string>;

/// The program's own path and these arguments.
inline Args tessera_args(Args args) {
  args.insert(args.begin(), TESSERA_PROGRAM);
  return args;
}

inline ProgramResult run_tessera(const Args& args, std::string_view input = "") {
  return run_program(tessera_args(args), input);
}

/// While it lives, programs find no rates of an earlier run and cannot leave any: each takes the
/// few tenths of a second to measure, in which a test can do something.
class NothingCalibrated {
 public:
  NothingCalibrated() : before_(::getenv(kVariable) != nullptr ? ::getenv(kVariable) : "") {
    ::setenv(kVariable, "/dev/null", 1);
  }
  ~NothingCalibrated() { ::setenv(kVariable, before_.c_str(), 1); }
  NothingCalibrated(const NothingCalibrated&) = delete;
  NothingCalibrated& operator=(const NothingCalibrated&) = delete;

 private:
  static constexpr const char* kVariable = "XDG_CACHE_HOME";
  const std::string before_;
};

/// `args` and then `more`.
inline Args with(Args args, const Args& more) {
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

/// What the oracle recorded for a case of a tiny checkpoint.
inline Json golden_case(const std::string& checkpoint, const std::string& name) {
  const Json goldens = read_json_file(kGolden + "/" + checkpoint + "/golden/goldens.json", 1 << 20);
  for (const Json& one : goldens["cases"])
    if (one["name"] == name) return one;
  ADD_FAILURE() << "no golden " << name;
  return {};
}

/// Options of a `run` or `chat` that must reproduce the goldens.
inline Args exact(const std::string& checkpoint, const std::string& devices = kThreeDevices) {
  return {"--model-path",  kGolden + "/" + checkpoint,
          "--devices",     devices,
          "--precision",   "f32",
          "--temperature", "0"};
}

/// The lines of a text, without their ends.
inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

/// What a program that did its work printed with --json: one line.
inline Json json_of(const ProgramResult& result) {
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(lines_of(result.out).size(), 1U) << result.out;
  return parse_json(result.out, "stdout");
}

/// A failure as every command promises it: this status, nothing on stdout, one line on stderr.
/// Returns that line without "tessera: error: ".
inline std::string failure_of(const Args& args, int status) {
  const ProgramResult result = run_tessera(with(args, {"--quiet"}));
  EXPECT_EQ(result.status, status) << result.err;
  EXPECT_EQ(result.signal, 0);
  EXPECT_EQ(result.out, "");
  const std::vector<std::string> lines = lines_of(result.err);
  EXPECT_EQ(lines.size(), 1U) << result.err;
  const std::string prefix = "tessera: error: ";
  if (lines.empty() || !lines.back().starts_with(prefix)) {
    ADD_FAILURE() << "not an error line: " << result.err;
    return result.err;
  }
  return lines.back().substr(prefix.size());
}

}  // namespace tessera
