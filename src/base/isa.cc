#include "base/isa.h"

#include <array>
#include <string>

#include "tessera/error.h"

namespace tessera {
namespace {

constexpr std::array kAll = {Isa::kPlain, Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Vnni,
                             Isa::kAvx512Bf16};

}  // namespace

Isa best_isa() {
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return Isa::kPlain;
  for (const bool has : {__builtin_cpu_supports("avx512f"), __builtin_cpu_supports("avx512bw"),
                         __builtin_cpu_supports("avx512dq"), __builtin_cpu_supports("avx512vl")})
    if (!has) return Isa::kAvx2;
  if (!__builtin_cpu_supports("avx512vnni")) return Isa::kAvx512;
  return __builtin_cpu_supports("avx512bf16") ? Isa::kAvx512Bf16 : Isa::kAvx512Vnni;
#else
  return Isa::kPlain;
#endif
}

std::string_view isa_name(Isa isa) {
  switch (isa) {
    case Isa::kPlain:
      return "plain";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
    case Isa::kAvx512Vnni:
      return "avx512_vnni";
    case Isa::kAvx512Bf16:
      return "avx512_bf16";
  }
  return "?";
}

Isa parse_isa(std::string_view text, std::string_view where) {
  if (text == "auto") return best_isa();
  for (const Isa isa : kAll) {
    if (isa_name(isa) != text) continue;
    if (isa <= best_isa()) return isa;
    throw UsageError(
        {.where = std::string(where),
         .expected = "at most " + std::string(isa_name(best_isa())) + " on this machine",
         .found = std::string(text)});
  }
  throw UsageError({.where = std::string(where),
                    .expected = "auto, plain, avx2, avx512, avx512_vnni or avx512_bf16",
                    .found = std::string(text)});
}

}  // namespace tessera
