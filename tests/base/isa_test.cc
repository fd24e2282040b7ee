#include "base/isa.h"

#include <gtest/gtest.h>

#include "tests/support/error_of.h"

namespace tessera {
namespace {

TEST(Isa, NamesGoThereAndBack) {
  for (const Isa isa :
       {Isa::kPlain, Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Vnni, Isa::kAvx512Bf16, Isa::kAmx})
    if (isa <= best_isa()) {
      EXPECT_EQ(parse_isa(isa_name(isa), "--isa"), isa);
    }
  EXPECT_EQ(parse_isa("auto", "--isa"), best_isa());
}

TEST(Isa, RefusesWhatTheMachineLacksAndWhatIsNone) {
  for (const Isa isa : {Isa::kAvx2, Isa::kAvx512})
    if (isa > best_isa()) {
      EXPECT_THROW(parse_isa(isa_name(isa), "--isa"), UsageError);
    }
  EXPECT_EQ(error_of([] { parse_isa("sse9", "--isa"); }),
            "--isa: expected auto, plain, avx2, avx512, avx512_vnni, avx512_bf16 or amx, "
            "found sse9");
}

}  // namespace
}  // namespace tessera
