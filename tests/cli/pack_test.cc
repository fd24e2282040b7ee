// `pack`, and the other commands on what it makes.

#include <gmock/gmock.h>

#include <csignal>
#include <filesystem>

#include "tests/cli/programs.h"
#include "tests/support/temp_folder.h"

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

Args pack_args(const std::string& out, const Args& more = {}) {
  return with({"pack", "--model-path", kTiny, "--precision", "int8", out}, more);
}

TEST(Pack, EveryCommandTakesWhatItMakes) {
  const TempFolder folder;
  const std::string out = folder.path("int8");
  const ProgramResult packed = run_tessera(pack_args(out));
  EXPECT_EQ(packed.status, 0) << packed.err;
  EXPECT_THAT(packed.out, AllOf(StartsWith(out + ": "), HasSubstr(" files in int8, ")));
  EXPECT_EQ(packed.err, "");

  const auto run = [&](const std::string& model) {
    return json_of(
        run_tessera({"run", "--model-path", model, "--devices", kThreeDevices, "--precision",
                     "int8", "--image-file", kPicture, "--question", "What is this?",
                     "--temperature", "0", "--max-new-tokens", "8", "--json"}));
  };
  const Json want = run(kTiny), got = run(out);
  for (const char* key : {"text", "token_ids", "prompt_ids", "first_logits"})
    EXPECT_EQ(got[key], want[key]) << key;
  for (const Json& device : got["devices"])
    EXPECT_EQ(device["planned_bytes"], device["measured_peak_bytes"]);

  const ProgramResult chat = run_tessera({"chat", "--model-path", out, "--devices", kThreeDevices,
                                          "--max-new-tokens", "3", "--temperature", "0"},
                                         "Hello.\n");
  EXPECT_EQ(chat.status, 0) << chat.err;
  EXPECT_EQ(run_tessera({"tokenize", "--model-path", out, "What?"}).out,
            run_tessera({"tokenize", "--model-path", kTiny, "What?"}).out);
  EXPECT_THAT(run_tessera({"plan", "--model-path", out, "--devices", "2x24GiB"}).out,
              HasSubstr("int8"));
  EXPECT_EQ(run_tessera({"bench", "model", "--model-path", out, "--devices", "cpu@40MiB",
                         "--repeats", "1", "--prompt-tokens", "4", "--new-tokens", "2", "--quiet"})
                .status,
            0);
  EXPECT_THAT(failure_of({"run", "--model-path", out, "--devices", kThreeDevices, "--precision",
                          "int4", "--question", "Q"},
                         1),
              HasSubstr("expected int8 or auto"));
}

TEST(Pack, ChecksACopy) {
  const TempFolder folder;
  const std::string out = folder.path("int8");
  const Json made = json_of(run_tessera(pack_args(out, {"--json"})));
  EXPECT_EQ(made["precision"], "int8");
  EXPECT_EQ(made["kept_files"], 0);
  const Json checked = json_of(run_tessera({"pack", "--check", out, "--json"}));
  EXPECT_EQ(checked["files"], made["files"]);
  EXPECT_EQ(checked["bytes"], made["bytes"]);
  EXPECT_THAT(run_tessera({"pack", "--check", out}).out, HasSubstr("every checksum holds"));

  std::string bytes = read_file(out + "/head.safetensors", 1 << 24);
  bytes.back() ^= 1;
  folder.write("int8/head.safetensors", bytes);
  EXPECT_THAT(failure_of({"pack", "--check", out}, 1),
              StartsWith(out + "/head.safetensors: checksum: expected"));
}

// A limit on the size of files stands for a full disk or, where its signal is not ignored, for a
// crash in the middle of a write: between the smallest unit of the model and the largest.
ProgramResult pack_with_small_files(const std::string& out, const std::string& before) {
  const std::string kib =
      std::to_string(std::filesystem::file_size(out + "-whole/layer-000.safetensors") / 1024 + 8);
  // In blocks of 512 bytes, as POSIX has it.
  return run_program(
      with({"/bin/sh", "-c", before + "ulimit -f $((2 * " + kib + ")); exec \"$@\"", "sh"},
           tessera_args(pack_args(out))));
}

TEST(Pack, AFullDiskLeavesWhatIsWholeAndNothingElse) {
  const TempFolder folder;
  const std::string out = folder.path("out");
  EXPECT_EQ(run_tessera(pack_args(out + "-whole")).status, 0);
  const ProgramResult full = pack_with_small_files(out, "trap '' XFSZ; ");
  EXPECT_EQ(full.status, 1);
  EXPECT_THAT(full.err, AllOf(StartsWith("tessera: error: " + out), HasSubstr("cannot write")));
  for (const auto& entry : std::filesystem::directory_iterator(out))
    EXPECT_NE(entry.path().extension(), ".part") << entry.path();
  EXPECT_EQ(run_tessera(pack_args(out)).status, 0);
  EXPECT_EQ(run_tessera({"pack", "--check", out}).status, 0);
}

TEST(Pack, GoesOnAfterACrash) {
  const TempFolder folder;
  const std::string out = folder.path("out");
  EXPECT_EQ(run_tessera(pack_args(out + "-whole")).status, 0);
  EXPECT_EQ(pack_with_small_files(out, "").signal, SIGXFSZ);
  EXPECT_THAT(failure_of({"run", "--model-path", out, "--question", "Q"}, 1),
              HasSubstr("not packed to its end"));
  EXPECT_EQ(run_tessera(pack_args(out)).status, 0);
  EXPECT_EQ(run_tessera({"pack", "--check", out}).status, 0);
  for (const auto& entry : std::filesystem::directory_iterator(out))
    EXPECT_NE(entry.path().extension(), ".part") << entry.path();
}

TEST(Pack, WrongUsage) {
  const TempFolder folder;
  const std::string out = folder.path("out");
  EXPECT_THAT(failure_of({"pack", "--model-path", kTiny}, 2), HasSubstr("the folder OUT"));
  EXPECT_THAT(failure_of({"pack", out}, 2), HasSubstr("--model-path DIR"));
  EXPECT_THAT(failure_of({"pack", "--check", out, "--model-path", kTiny}, 2),
              HasSubstr("--check: expected OUT alone, found --model-path"));
  EXPECT_THAT(failure_of({"pack", "--check", out, "--precision", "int8"}, 2),
              HasSubstr("--precision"));
  EXPECT_THAT(failure_of(pack_args(out, {"--precision", "int3"}), 2), HasSubstr("int3"));
  EXPECT_THAT(failure_of({"pack", "--model-path", folder.path("none"), out}, 1),
              HasSubstr("nothing there"));
  EXPECT_THAT(failure_of({"pack", "--check", out}, 1), HasSubstr(out));
  EXPECT_FALSE(directory_exists(out));
}

}  // namespace
}  // namespace tessera
