#pragma once

#include <cstdint>
#include <string_view>

namespace tessera {

/// Which instructions the CPU kernels may use; each includes those before it. All give the same
/// bits, so that the choice is one of speed, but AMX, which multiplies bf16 weights to bits of its
/// own (docs/decisions/0015). A place is left for others (NEON).
enum class Isa : uint8_t {
  kPlain,       ///< what the compiler's baseline has
  kAvx2,        ///< AVX2 and FMA
  kAvx512,      ///< AVX-512 F, BW, DQ and VL
  kAvx512Vnni,  ///< and VNNI: dot products of bytes
  kAvx512Bf16,  ///< and BF16: dot products of bf16
  kAmx,         ///< and AMX: tiles of bytes and of bf16
};

/// The widest that this processor and operating system have. The first call asks the system to let
/// this process use AMX's registers.
Isa best_isa();

/// Of what there is for three instruction sets, the version for the widest that `isa` includes.
template <typename Version>
Version widest(Isa isa, Version plain, Version avx2, Version avx512) {
  return isa >= Isa::kAvx512 ? avx512 : isa >= Isa::kAvx2 ? avx2 : plain;
}

/// "plain", "avx2", "avx512", "avx512_vnni", "avx512_bf16", "amx"
std::string_view isa_name(Isa isa);

/// The inverse of isa_name; "auto" gives best_isa(). Throws UsageError that names `where` for
/// another text, and for instructions that this machine does not have.
Isa parse_isa(std::string_view text, std::string_view where);

}  // namespace tessera
