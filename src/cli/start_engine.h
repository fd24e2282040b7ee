#pragma once

#include <memory>
#include <span>
#include <string>

#include "cli/console.h"
#include "cli/progress.h"
#include "tessera/engine.h"

namespace tessera {

/// Loads a model and says on the console what happens: the plan, progress, what loading took.
/// Throws as Engine::create does.
std::unique_ptr<Engine> start_engine(EngineOptions options, Console& console,
                                     const CancelFlag& cancel);

/// Has `options` tell the console what happens while a model loads. The progress must outlive it.
void report_loading(EngineOptions& options, Console& console, LoadProgressView& progress);

/// Throws Error when one of the pictures cannot be opened: better said before a model of many
/// gigabytes loads than after.
void check_pictures(std::span<const Picture> pictures);

}  // namespace tessera
