#include "server/openapi.h"

namespace tessera {

std::string_view openapi_answers() {
  return R"json({
"Error": {"type": "object", "required": ["error"], "properties": {"error": {
  "type": "object", "required": ["message", "type", "param", "code"], "properties": {
    "message": {"type": "string"}, "type": {"type": "string"},
    "param": {"type": ["string", "null"], "description": "The field that is wrong"},
    "code": {"type": ["string", "null"]},
    "where": {"type": "string"}, "what": {"type": "string"}, "expected": {"type": "string"},
    "found": {"type": "string"}, "hint": {"type": "string"}}}}},
"Usage": {"type": "object", "required": ["prompt_tokens", "completion_tokens", "total_tokens"], "properties": {
  "prompt_tokens": {"type": "integer"}, "completion_tokens": {"type": "integer"}, "total_tokens": {"type": "integer"},
  "prompt_tokens_details": {"type": "object", "properties": {"cached_tokens": {"type": "integer"}}}}},
"FinishReason": {"enum": ["stop", "length"]},
"TokenLogprob": {"type": "object", "required": ["token", "logprob", "bytes"], "properties": {
  "token": {"type": "string"}, "logprob": {"type": "number"},
  "bytes": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 255},
    "description": "A token may be a part of a character"}}},
"ChatLogprobs": {"type": ["object", "null"], "required": ["content", "refusal"], "properties": {
  "content": {"type": "array", "items": {"allOf": [{"$ref": "#/components/schemas/TokenLogprob"},
    {"required": ["top_logprobs"], "properties": {"top_logprobs": {"type": "array",
      "items": {"$ref": "#/components/schemas/TokenLogprob"}}}}]}},
  "refusal": {"type": "null"}}},
"CompletionLogprobs": {"type": ["object", "null"],
  "required": ["tokens", "token_logprobs", "top_logprobs", "text_offset"], "properties": {
    "tokens": {"type": "array", "items": {"type": "string"}},
    "token_logprobs": {"type": "array", "items": {"type": "number"}},
    "top_logprobs": {"type": "array", "items": {"type": "object", "additionalProperties": {"type": "number"}}},
    "text_offset": {"type": "array", "items": {"type": "integer", "minimum": 0}}}},
"ChatAnswer": {"type": "object", "required": ["id", "object", "created", "model", "choices", "usage"], "properties": {
  "id": {"type": "string"}, "object": {"const": "chat.completion"}, "created": {"type": "integer"},
  "model": {"type": "string"},
  "choices": {"type": "array", "items": {"type": "object", "required": ["index", "message", "logprobs", "finish_reason"],
    "properties": {"index": {"type": "integer"},
      "message": {"type": "object", "required": ["role", "content", "refusal"], "properties": {
        "role": {"const": "assistant"}, "content": {"type": "string"}, "refusal": {"type": "null"}}},
      "logprobs": {"$ref": "#/components/schemas/ChatLogprobs"},
      "finish_reason": {"$ref": "#/components/schemas/FinishReason"}}}},
  "usage": {"$ref": "#/components/schemas/Usage"}}},
"ChatChunk": {"type": "object", "required": ["id", "object", "created", "model", "choices"], "properties": {
  "id": {"type": "string"}, "object": {"const": "chat.completion.chunk"}, "created": {"type": "integer"},
  "model": {"type": "string"},
  "choices": {"type": "array", "items": {"type": "object", "required": ["index", "delta", "logprobs", "finish_reason"],
    "properties": {"index": {"type": "integer"},
      "delta": {"type": "object", "properties": {"role": {"const": "assistant"}, "content": {"type": "string"}}},
      "logprobs": {"$ref": "#/components/schemas/ChatLogprobs"},
      "finish_reason": {"anyOf": [{"type": "null"}, {"$ref": "#/components/schemas/FinishReason"}]}}}},
  "usage": {"anyOf": [{"type": "null"}, {"$ref": "#/components/schemas/Usage"}]}}},
"CompletionAnswer": {"type": "object", "required": ["id", "object", "created", "model", "choices"], "properties": {
  "id": {"type": "string"}, "object": {"const": "text_completion"}, "created": {"type": "integer"},
  "model": {"type": "string"},
  "choices": {"type": "array", "items": {"type": "object", "required": ["index", "text", "logprobs", "finish_reason"],
    "properties": {"index": {"type": "integer"}, "text": {"type": "string"},
      "logprobs": {"$ref": "#/components/schemas/CompletionLogprobs"},
      "finish_reason": {"anyOf": [{"type": "null"}, {"$ref": "#/components/schemas/FinishReason"}]}}}},
  "usage": {"anyOf": [{"type": "null"}, {"$ref": "#/components/schemas/Usage"}]}}},
"ChatEvent": {"type": "object", "description": "One server-sent event", "required": ["data"],
  "properties": {"data": {"anyOf": [{"const": "[DONE]"}, {"contentMediaType": "application/json",
    "contentSchema": {"anyOf": [{"$ref": "#/components/schemas/ChatChunk"}, {"$ref": "#/components/schemas/Error"}]}}]}}},
"CompletionEvent": {"type": "object", "description": "One server-sent event", "required": ["data"],
  "properties": {"data": {"anyOf": [{"const": "[DONE]"}, {"contentMediaType": "application/json",
    "contentSchema": {"anyOf": [{"$ref": "#/components/schemas/CompletionAnswer"}, {"$ref": "#/components/schemas/Error"}]}}]}}},
"StatusEvent": {"type": "object", "description": "One server-sent event", "required": ["data"], "properties": {
  "data": {"contentMediaType": "application/json", "contentSchema": {"$ref": "#/components/schemas/Status"}}}},
"Model": {"type": "object", "required": ["id", "object", "created", "owned_by"], "properties": {
  "id": {"type": "string"}, "object": {"const": "model"}, "created": {"type": "integer"},
  "owned_by": {"const": "tessera"}, "root": {"type": "string"}, "max_model_len": {"type": "integer"},
  "takes_pictures": {"type": "boolean"}}},
"Tokens": {"type": "object", "required": ["tokens", "count", "max_model_len"], "properties": {
  "tokens": {"type": "array", "items": {"type": "integer"}}, "count": {"type": "integer"},
  "max_model_len": {"type": "integer"}}},
"Status": {"type": "object", "description": "Counters count since the engine began to serve; times in seconds",
  "required": ["ready", "why_not", "uptime_s", "running", "waiting", "kv_blocks", "kv_blocks_used",
    "kv_blocks_cached", "image_cache_bytes", "requests", "failed", "cancelled", "refused", "prompt_tokens",
    "cached_prompt_tokens", "new_tokens", "pictures", "cached_pictures", "preemptions", "steps", "schedule_s",
    "plan_epoch", "micro_batches", "devices"],
  "properties": {
    "ready": {"type": "boolean"}, "why_not": {"type": "string"}, "uptime_s": {"type": "number"},
    "running": {"type": "integer", "description": "Sequences"},
    "waiting": {"type": "integer", "description": "Requests in the queue"},
    "kv_blocks": {"type": "integer"}, "kv_blocks_used": {"type": "integer"}, "kv_blocks_cached": {"type": "integer"},
    "image_cache_bytes": {"type": "integer"}, "requests": {"type": "integer"}, "failed": {"type": "integer"},
    "cancelled": {"type": "integer"}, "refused": {"type": "integer"}, "prompt_tokens": {"type": "integer"},
    "cached_prompt_tokens": {"type": "integer"}, "new_tokens": {"type": "integer"}, "pictures": {"type": "integer"},
    "cached_pictures": {"type": "integer"}, "preemptions": {"type": "integer"}, "steps": {"type": "integer"},
    "schedule_s": {"type": "number"},
    "plan_epoch": {"type": "integer", "description": "How often what lies on the devices was changed"},
    "micro_batches": {"type": "array", "items": {"type": "object",
      "required": ["id", "stage", "decode_rows", "prefill_rows"], "properties": {
        "id": {"type": "integer"}, "stage": {"type": "integer"},
        "decode_rows": {"type": "integer"}, "prefill_rows": {"type": "integer"}}}},
    "devices": {"type": "array", "items": {"type": "object",
      "required": ["name", "stage", "busy_s", "steps", "rows", "link_bytes", "planned_s", "measured_s"],
      "properties": {"name": {"type": "string"},
        "stage": {"type": "integer", "description": "-1: no layers"},
        "busy_s": {"type": "number"}, "steps": {"type": "integer"}, "rows": {"type": "integer"},
        "link_bytes": {"type": "integer"}, "planned_s": {"type": "number"}, "measured_s": {"type": "number"}}}}}},
"EngineReport": {"allOf": [{"$ref": "#/components/schemas/Status"}, {"type": "object",
  "required": ["model", "context", "takes_pictures", "load_s", "loaded_bytes", "host_peak_bytes",
    "device_reports", "plan"],
  "properties": {
    "model": {"type": "string"}, "context": {"type": "integer"}, "takes_pictures": {"type": "boolean"},
    "load_s": {"type": "number"}, "loaded_bytes": {"type": "integer"}, "host_peak_bytes": {"type": "integer"},
    "device_reports": {"type": "array", "items": {"type": "object",
      "required": ["name", "first_layer", "last_layer", "budget_bytes", "planned_bytes", "measured_peak_bytes"],
      "properties": {"name": {"type": "string"},
        "first_layer": {"type": "integer"}, "last_layer": {"type": "integer", "description": "Below the first: no layers"},
        "vision": {"type": "boolean"}, "embedding": {"type": "boolean"}, "head": {"type": "boolean"},
        "budget_bytes": {"type": "integer"}, "planned_bytes": {"type": "integer"}, "measured_peak_bytes": {"type": "integer"},
        "planned_decode_s": {"type": "number"}, "measured_decode_s": {"type": "number"},
        "planned_prefill_s": {"type": "number"}, "measured_prefill_s": {"type": "number"}}}},
    "plan": {"type": "object", "properties": {
      "objective": {"type": "string"}, "kv": {"type": "string"}, "context": {"type": "integer"},
      "sequences": {"type": "integer"}, "kv_tokens": {"type": "integer"}, "stages": {"type": "integer"},
      "tokens_per_s": {"type": "number"}, "decode_s_per_token": {"type": "number"},
      "prefill_s": {"type": "number"}}}}}]}
})json";
}

}  // namespace tessera
