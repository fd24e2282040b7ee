// A program that embeds the engine: builds against the installed package alone.

#include <cstdio>

#include "tessera/engine.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  try {
    const tessera::Plan plan = tessera::plan_model({.model_path = argv[1], .devices = "3xrtx3090"});
    std::printf("%zu stages\n", plan.stages.size());
    return plan.fits ? 0 : 1;
  } catch (const tessera::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
