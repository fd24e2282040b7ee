#include "base/isa.h"

#include <array>
#include <string>

#include "tessera/error.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace tessera {
namespace {

constexpr std::array kAll = {Isa::kPlain,      Isa::kAvx2,       Isa::kAvx512,
                             Isa::kAvx512Vnni, Isa::kAvx512Bf16, Isa::kAmx};

// Linux gives a process these registers (8 KiB a thread) when it asks: the kernel's
// Documentation/arch/x86/xstate.rst.
bool get_amx() {
#if defined(__x86_64__) && defined(__linux__)
  constexpr unsigned kBf16 = 1U << 22, kTiles = 1U << 24, kBytes = 1U << 25;  // leaf 7, edx
  constexpr unsigned kNeeded = kBf16 | kTiles | kBytes;
  constexpr int kRequestPermission = 0x1023, kTileData = 18;
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
  if ((edx & kNeeded) != kNeeded) return false;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

Isa find_best_isa() {
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return Isa::kPlain;
  for (const bool has : {__builtin_cpu_supports("avx512f"), __builtin_cpu_supports("avx512bw"),
                         __builtin_cpu_supports("avx512dq"), __builtin_cpu_supports("avx512vl")})
    if (!has) return Isa::kAvx2;
  if (!__builtin_cpu_supports("avx512vnni")) return Isa::kAvx512;
  if (!__builtin_cpu_supports("avx512bf16")) return Isa::kAvx512Vnni;
  return get_amx() ? Isa::kAmx : Isa::kAvx512Bf16;
#else
  return Isa::kPlain;
#endif
}

}  // namespace

Isa best_isa() {
  static const Isa best = find_best_isa();
  return best;
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
    case Isa::kAmx:
      return "amx";
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
                    .expected = "auto, plain, avx2, avx512, avx512_vnni, avx512_bf16 or amx",
                    .found = std::string(text)});
}

}  // namespace tessera
