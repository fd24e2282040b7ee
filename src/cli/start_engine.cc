#include "cli/start_engine.h"

#include "base/file.h"
#include "cli/report.h"

namespace tessera {

void report_loading(EngineOptions& options, Console& console, LoadProgressView& progress) {
  options.log = console.log_sink();
  options.on_plan = [&](const Plan& plan) { console.say(plan_to_table(plan)); };
  options.on_load = [&](uint64_t done, uint64_t total, double elapsed_s) {
    progress.show(done, total, elapsed_s);
  };
}

std::unique_ptr<Engine> start_engine(EngineOptions options, Console& console,
                                     const CancelFlag& cancel) {
  LoadProgressView progress(console);
  report_loading(options, console, progress);
  std::unique_ptr<Engine> engine = Engine::create(options, &cancel);
  console.clear_status();
  console.say(describe_load(*engine));
  return engine;
}

void check_pictures(std::span<const Picture> pictures) {
  for (const Picture& picture : pictures) (void)File::open(picture.name);
}

}  // namespace tessera
