#pragma once

#include "form/automaton.h"
#include "form/grammar.h"

namespace tessera {

/// The subset construction, rule by rule. Where the next byte does not tell which of two calls (or
/// a call and a byte) it belongs to, the called rules are copied into the caller until it does; the
/// copies are added to the grammar's NFA. Throws UsageError when that does not end or is larger
/// than form_limits.h allows, when a rule begins with itself, and when no text fits.
Automaton determinise(Grammar& grammar);

}  // namespace tessera
