#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "cuda_emulator/control.h"
#include "tessera/error.h"
#include "tests/cuda_emulator/device_vector.h"
#include "tests/cuda_emulator/planted_bugs.h"

// planted_bug NAME [unseen]: runs one wrong program, in the order that TESSERA_EMULATED_ORDER says
// (unseen: with kernels that ThreadSanitizer does not see), and prints what came out:
//   report ...        the emulator has refused it: the Error's line
//   result 3f2a nan   bits of the result in short; "nan": there is one among them
// A sanitizer may end it before.

namespace tessera {
namespace {

uint32_t short_bits(const std::vector<float>& values) {
  uint32_t hash = 2166136261u;
  for (const float value : values) {
    uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof(bits));
    hash = (hash ^ bits) * 16777619u;
  }
  return hash;
}

int run_planted(const PlantedBug& bug) {
  std::vector<float> x(kPlantedThreads);
  for (int i = 0; i < kPlantedThreads; ++i) x[i] = static_cast<float>(i + 1);
  try {
    const TestStream stream;
    const DeviceVector<float> on_x(x, stream), out(kPlantedThreads);
    cuda_check(cudaMemsetAsync(out.data(), 0, out.bytes(), stream), "test", "memset");
    stream.synchronize();
    bug.run(on_x.data(), out.data(), stream);
    const std::vector<float> result = out.read(stream);
    bool nan = false;
    for (const float value : result) nan = nan || std::isnan(value);
    std::printf("result %08x%s\n", short_bits(result), nan ? " nan" : "");
  } catch (const Error& error) {
    std::printf("report %s\n", error.what());
  }
  return 0;
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) {
  const std::string name = argc >= 2 ? argv[1] : "";
  if (argc == 3 && argv[2] == std::string("unseen")) {
    tessera::EmulatedMachine machine = tessera::emulated_machine_of_environment();
    machine.kernels_seen = false;
    tessera::set_up_emulated_machine(machine);
  }
  for (const auto& bugs : {tessera::planted_kernel_bugs(), tessera::planted_host_bugs()})
    for (const tessera::PlantedBug& bug : bugs)
      if (bug.name == name) return tessera::run_planted(bug);
  std::fprintf(stderr, "no planted bug has the name '%s'\n", name.c_str());
  return 2;
}
