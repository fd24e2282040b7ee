#include "plan/device_spec.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/isa.h"
#include "plan/hardware_catalogue.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using Kind = DeviceSpec::Kind;

TEST(DeviceSpec, ReadsEveryForm) {
  EXPECT_EQ(parse_devices("auto").front().kind, Kind::kAuto);
  const auto cards = parse_devices("3xcuda:0@24GiB,cuda");
  ASSERT_EQ(cards.size(), 4U);
  EXPECT_EQ(cards[2].kind, Kind::kCuda);
  EXPECT_EQ(cards[2].index, 0);
  EXPECT_EQ(cards[2].memory_bytes, 24ULL << 30);
  EXPECT_EQ(cards[3].index, -1);
  EXPECT_FALSE(cards[3].graphs);
  EXPECT_TRUE(parse_devices("cuda:0@24GiB{graphs=on}").front().graphs);
  EXPECT_FALSE(parse_devices("cuda{graphs=on;graphs=off}").front().graphs);
  EXPECT_FALSE(cards[3].cublaslt);
  EXPECT_FALSE(parse_devices("cuda{gemm=own}").front().cublaslt);
  const auto library = parse_devices("2xcuda@24GiB{gemm=cublaslt;graphs=on}");
  ASSERT_EQ(library.size(), 2U);
  EXPECT_TRUE(library[1].cublaslt);
  EXPECT_TRUE(library[1].graphs);
  const auto cpus = parse_devices("2xcpu@1GiB{threads=1;speed=0.5;link=12GB/s}");
  ASSERT_EQ(cpus.size(), 2U);
  EXPECT_EQ(cpus[1].threads, 1);
  EXPECT_EQ(cpus[1].speed, 0.5);
  EXPECT_EQ(cpus[1].link_bytes_per_s, 12e9);
  EXPECT_EQ(cpus[1].isa, best_isa());
  const auto imagined = parse_devices("2xrtx3090,1xrtx3080,24GiB");
  ASSERT_EQ(imagined.size(), 4U);
  EXPECT_EQ(imagined[0].hardware, "rtx3090");
  EXPECT_EQ(imagined[3].hardware, "24GiB");
}

TEST(DeviceSpec, PointsAtWhatIsWrong) {
  for (const char* bad : {"",
                          ",",
                          "cpu,",
                          "0xcpu",
                          "65xcpu",
                          "999999999999xcpu",
                          "cpu@",
                          "cpu@0",
                          "cpu@-1GiB",
                          "cpu@1G",
                          "cpu:x",
                          "cpu:64",
                          "cuda:-1",
                          "cpu{threads=0}",
                          "cpu{speed=2}",
                          "cpu{speed=nan}",
                          "cpu{link=12}",
                          "cpu{link=infGB/s}",
                          "cpu{colour=red}",
                          "cpu{isa}",
                          "cpu{isa=AVX2}",
                          "cuda{isa=avx2}",
                          "24GiB{isa=avx2}",
                          "cpu{threads=2",
                          "cuda{threads=2}",
                          "cuda{graphs=yes}",
                          "cuda{gemm=cublas}",
                          "cuda{gemm}",
                          "cpu{gemm=own}",
                          "24GiB{gemm=cublaslt}",
                          "cpu{graphs=on}",
                          "24GiB{graphs=on}",
                          "rtx3090:1",
                          "64xcpu,cpu",
                          "3x",
                          "auto,cpu{"})
    EXPECT_THAT(error_of([&] { parse_devices(bad); }), testing::StartsWith("--devices: ")) << bad;
}

TEST(DeviceSpec, SaysWhatAGpuMayBeTold) {
  for (const char* option : {"graphs=yes", "gemm=cublas", "threads=2"}) {
    const std::string entry = fmt::format("cuda{{{}}}", option);
    EXPECT_EQ(error_of([&] { parse_devices(entry); }),
              fmt::format(R"(--devices: "{}": expected graphs=on, graphs=off, gemm=own or )"
                          R"(gemm=cublaslt, found "{}")",
                          entry, option));
  }
}

TEST(DeviceSpec, TakesInstructionsThatTheMachineHas) {
  EXPECT_EQ(parse_devices("cpu{isa=auto}").front().isa, best_isa());
  for (const Isa isa :
       {Isa::kPlain, Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Vnni, Isa::kAvx512Bf16, Isa::kAmx}) {
    const std::string entry = fmt::format("cpu@1GiB{{threads=1;isa={}}}", isa_name(isa));
    if (isa <= best_isa()) {
      EXPECT_EQ(parse_devices(entry).front().isa, isa) << entry;
    } else {
      EXPECT_EQ(error_of([&] { parse_devices(entry); }),
                fmt::format(R"(--devices: "{}": expected at most {} on this machine, found "{}")",
                            entry, isa_name(best_isa()), isa_name(isa)));
    }
  }
  EXPECT_EQ(error_of([] { parse_devices("cpu,cpu{isa=sse9}"); }),
            R"(--devices: "cpu{isa=sse9}": expected auto, plain, avx2, avx512, avx512_vnni, )"
            R"(avx512_bf16 or amx, found "sse9")");
  EXPECT_EQ(error_of([] { parse_devices("cpu{isas=avx2}"); }),
            R"(--devices: "cpu{isas=avx2}": expected threads=N, speed=S, link=B/s or isa=NAME, )"
            R"(found "isas=avx2")");
}

TEST(Hardware, KnownCardsAndSizes) {
  for (const Hardware& card : known_hardware()) {
    DeviceSpec spec{.kind = Kind::kImagined, .hardware = std::string(card.name)};
    EXPECT_EQ(imagined_device(spec, 0).budget_bytes, card.memory_bytes);
    EXPECT_LT(imagined_device(spec, 0).kv_bytes_per_s, card.read_bytes_per_s);
  }
  EXPECT_EQ(imagined_device(parse_devices("10GiB").front(), 1).budget_bytes, 10ULL << 30);
  EXPECT_EQ(imagined_device(parse_devices("rtx3090@20GiB").front(), 1).budget_bytes, 20ULL << 30);
  EXPECT_THAT(error_of([] { imagined_device(parse_devices("voodoo2").front(), 0); }),
              testing::HasSubstr("rtx4090"));
}

}  // namespace
}  // namespace tessera
