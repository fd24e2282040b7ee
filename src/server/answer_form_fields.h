#pragma once

#include "server/api_options.h"
#include "server/body_fields.h"
#include "tessera/engine.h"

namespace tessera {

/// What a request says its answer must be, in any of the ways that clients say it:
///   OpenAI     response_format: {"type": "text"}, {"type": "json_object"},
///              {"type": "json_schema", "json_schema": {"name", "schema", "strict"}}
///   vLLM       structured_outputs: {"json" | "regex" | "choice" | "json_object"}; the older
///              guided_json, guided_regex, guided_choice
///   llama.cpp  json_schema; {"type": "json_object", "schema": ...}
/// One of them. Throws HttpError for two, for grammars, and for what is too long; whether a
/// schema or an expression can be followed, Engine::submit says.
AnswerForm read_answer_form(const BodyFields& body, const ApiLimits& limits);

}  // namespace tessera
