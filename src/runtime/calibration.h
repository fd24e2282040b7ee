#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/isa.h"
#include "device/link.h"
#include "ops/rates.h"

namespace tessera {

/// What a virtual device of so many threads and these instructions reaches on this machine: as an
/// earlier run measured it (calibration_file()), else measured now, which takes one to three
/// seconds, and written there for the next. Rates of another processor, of other instructions or of
/// other kernels are not taken. A file that cannot be read or written costs only the time to
/// measure.
KernelRates calibrated_rates(int threads, Isa isa, double speed);

/// The same, measured now whatever is known.
KernelRates recalibrated_rates(int threads, Isa isa, double speed);

/// The same for a card and its kernels (other kernels of the same card have another name), and for
/// a link between two ends, by a name that no other hardware has. `measure` is called where the
/// file does not know it.
KernelRates calibrated_card_rates(const std::string& card,
                                  const std::function<KernelRates()>& measure);
Link calibrated_link(const std::string& from_to, const std::function<Link()>& measure);

/// What the file knows of them; nothing is measured.
std::optional<KernelRates> known_card_rates(const std::string& card);
std::optional<Link> known_link(const std::string& from_to);

/// The name of the link between two ends, each a card's uuid or "host".
std::string link_name(const std::string& from, const std::string& to);

/// tessera/rates.json in the user's cache folder ($XDG_CACHE_HOME, or .cache in $HOME); empty when
/// neither is set.
std::string calibration_file();

}  // namespace tessera
