#pragma once

#include <memory>

#include "form/automaton.h"
#include "tessera/engine.h"

namespace tessera {

/// A form ready to be held against tokens of any vocabulary. Immutable: any thread may use it.
struct CompiledForm {
  Automaton automaton;
};

/// Compiles JSON, a JSON schema or a regular expression; docs/forms.md says what of them. Takes
/// milliseconds for what people write, and stays below about a second and 200 MB for what they
/// should not (form_limits.h). Throws UsageError that names the keyword with its path or the byte
/// of the expression for what is malformed, not supported or too large. `form` is not kAny.
std::shared_ptr<const CompiledForm> compile_form(const AnswerForm& form);

}  // namespace tessera
