#include "server/openapi.h"

namespace tessera {

std::string_view openapi_requests() {
  return R"json({
"ModelName": {"enum": "@models", "description": "The model's own when not given"},
"TokenId": {"type": "integer", "minimum": 0, "maximum": 2147483647},
"Sampling": {"type": "object", "properties": {
  "model": {"$ref": "#/components/schemas/ModelName"},
  "temperature": {"type": ["number", "null"], "minimum": 0, "maximum": 2, "default": 1,
    "description": "0: the likeliest token, always"},
  "top_p": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
  "top_k": {"type": ["integer", "null"], "minimum": -1, "maximum": 2147483647, "description": "-1 and 0: off"},
  "min_p": {"type": ["number", "null"], "minimum": 0, "maximum": 1,
    "description": "Least share of the likeliest token's probability"},
  "repetition_penalty": {"type": ["number", "null"], "minimum": 0.01, "maximum": 100, "default": 1},
  "frequency_penalty": {"type": ["number", "null"], "minimum": -2, "maximum": 2, "default": 0},
  "presence_penalty": {"type": ["number", "null"], "minimum": -2, "maximum": 2, "default": 0},
  "logit_bias": {"type": ["object", "null"], "maxProperties": "@biases",
    "description": "Token id -> what is added to its logit",
    "propertyNames": {"pattern": "^(0|[1-9][0-9]{0,8})$"},
    "additionalProperties": {"type": ["number", "null"], "minimum": -100, "maximum": 100}},
  "seed": {"type": ["integer", "null"], "minimum": -9223372036854775808, "maximum": 18446744073709551615},
  "stop": {"description": "Texts that end the answer and are not part of it", "anyOf": [
    {"type": "null"}, {"type": "string", "minLength": 1, "maxLength": 64},
    {"type": "array", "maxItems": "@stops", "items": {"type": "string", "minLength": 1, "maxLength": 64}}]},
  "stop_token_ids": {"type": ["array", "null"], "maxItems": "@stop_ids",
    "items": {"$ref": "#/components/schemas/TokenId"}},
  "ignore_eos": {"type": ["boolean", "null"], "description": "The model's own end is none; for load tests"},
  "n": {"type": ["integer", "null"], "minimum": 1, "maximum": "@choices", "default": 1},
  "user": {"type": ["string", "null"], "description": "Users share the engine evenly"},
  "stream": {"type": ["boolean", "null"], "default": false},
  "stream_options": {"type": ["object", "null"], "description": "With stream true only",
    "properties": {"include_usage": {"type": ["boolean", "null"]}}},
  "response_format": {"$ref": "#/components/schemas/ResponseFormat"},
  "guided_regex": {"type": ["string", "null"], "minLength": 1},
  "guided_json": {"type": ["object", "string", "boolean", "null"], "description": "A JSON schema, or its text"},
  "guided_choice": {"type": ["array", "null"], "minItems": 1, "items": {"type": "string", "minLength": 1}},
  "structured_outputs": {"type": ["object", "null"], "properties": {
    "json": {"type": ["object", "string", "boolean", "null"]},
    "regex": {"type": ["string", "null"], "minLength": 1},
    "choice": {"type": ["array", "null"], "minItems": 1, "items": {"type": "string", "minLength": 1}},
    "json_object": {"type": ["boolean", "null"]}}, "anyOf": [
      {"properties": {"regex": {"type": "null"}, "choice": {"type": "null"}, "json_object": {"type": "null"}}},
      {"properties": {"json": {"type": "null"}, "choice": {"type": "null"}, "json_object": {"type": "null"}}},
      {"properties": {"json": {"type": "null"}, "regex": {"type": "null"}, "json_object": {"type": "null"}}},
      {"properties": {"json": {"type": "null"}, "regex": {"type": "null"}, "choice": {"type": "null"}}}]}},
  "anyOf": [
    {"properties": {"guided_regex": {"type": "null"}, "guided_json": {"type": "null"}, "guided_choice": {"type": "null"}, "structured_outputs": {"type": "null"}}},
    {"properties": {"response_format": {"type": "null"}, "guided_json": {"type": "null"}, "guided_choice": {"type": "null"}, "structured_outputs": {"type": "null"}}},
    {"properties": {"response_format": {"type": "null"}, "guided_regex": {"type": "null"}, "guided_choice": {"type": "null"}, "structured_outputs": {"type": "null"}}},
    {"properties": {"response_format": {"type": "null"}, "guided_regex": {"type": "null"}, "guided_json": {"type": "null"}, "structured_outputs": {"type": "null"}}},
    {"properties": {"response_format": {"type": "null"}, "guided_regex": {"type": "null"}, "guided_json": {"type": "null"}, "guided_choice": {"type": "null"}}}]},
"StreamOptionsRule": {"anyOf": [{"properties": {"stream_options": {"type": "null"}}},
  {"required": ["stream"], "properties": {"stream": {"const": true}}}]},
"ResponseFormat": {"description": "What the answer must be", "anyOf": [
  {"type": "null"},
  {"type": "object", "required": ["type"], "properties": {"type": {"const": "text"}}},
  {"type": "object", "required": ["type"], "properties": {"type": {"const": "json_object"},
    "schema": {"type": ["object", "null"], "description": "As llama.cpp has it"}}},
  {"type": "object", "required": ["type", "json_schema"], "properties": {"type": {"const": "json_schema"},
    "json_schema": {"type": "object", "required": ["schema"], "properties": {
      "name": {"type": "string"}, "strict": {"type": ["boolean", "null"]}, "schema": {"type": "object"}}}}}]},
"TextPart": {"type": "object", "required": ["type", "text"], "properties": {
  "type": {"const": "text"}, "text": {"type": "string"}}},
"PicturePart": {"type": "object", "required": ["type", "image_url"], "properties": {
  "type": {"const": "image_url"},
  "image_url": {"type": "object", "required": ["url"], "properties": {
    "url": {"type": "string", "pattern": "^data:image/(jpeg|png|webp|gif);base64,([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=|[A-Za-z0-9+/][AQgw]==)$",
      "description": "The picture itself, base64; nothing is fetched from elsewhere"},
    "detail": {"enum": ["auto", "low", "high", "original", null]}}}}},
"Message": {"anyOf": [
  {"type": "object", "required": ["role", "content"], "properties": {
    "role": {"enum": ["system", "developer", "assistant"]},
    "content": {"anyOf": [{"type": "string"},
      {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/TextPart"}}]}}},
  {"type": "object", "required": ["role", "content"], "properties": {
    "role": {"const": "user"},
    "content": {"anyOf": [{"type": "string"},
      {"type": "array", "minItems": 1, "items": {"anyOf": [
        {"$ref": "#/components/schemas/TextPart"}, {"$ref": "#/components/schemas/PicturePart"}]}}]}}}]},
"ChatRequest": {"allOf": [{"$ref": "#/components/schemas/Sampling"}, {
  "type": "object", "required": ["messages"], "properties": {
    "messages": {"type": "array", "minItems": 1, "maxItems": "@messages",
      "items": {"$ref": "#/components/schemas/Message"}},
    "max_completion_tokens": {"type": ["integer", "null"], "minimum": 1, "maximum": 2147483648},
    "max_tokens": {"type": ["integer", "null"], "minimum": 1, "maximum": 2147483648, "default": "@context",
      "description": "The older name; both: what the context has room for at most"},
    "logprobs": {"type": ["boolean", "null"]},
    "top_logprobs": {"type": ["integer", "null"], "minimum": 0, "maximum": "@top_logprobs",
      "description": "With logprobs true only"},
    "tool_choice": {"enum": ["none", "auto", null]},
    "tools": {"type": ["array", "null"], "description": "Not supported: none, unless tool_choice is none"}}},
  {"anyOf": [{"properties": {"tools": {"maxItems": 0}}},
    {"required": ["tool_choice"], "properties": {"tool_choice": {"const": "none"}}}]},
  {"anyOf": [{"properties": {"top_logprobs": {"maximum": 0}}},
    {"required": ["logprobs"], "properties": {"logprobs": {"const": true}}}]},
  {"$ref": "#/components/schemas/StreamOptionsRule"}]},
"CompletionRequest": {"allOf": [{"$ref": "#/components/schemas/Sampling"}, {
  "type": "object", "required": ["prompt"], "properties": {
    "prompt": {"description": "One prompt: a text or token ids, or a list of one of these", "anyOf": [
      {"type": "string"},
      {"type": "array", "minItems": 1, "maxItems": 1, "items": {"type": "string"}},
      {"type": "array", "minItems": 1, "maxItems": "@prompt_ids", "items": {"$ref": "#/components/schemas/TokenId"}},
      {"type": "array", "minItems": 1, "maxItems": 1, "items": {"type": "array", "minItems": 1,
        "maxItems": "@prompt_ids", "items": {"$ref": "#/components/schemas/TokenId"}}}]},
    "max_tokens": {"type": ["integer", "null"], "minimum": 1, "maximum": 2147483648, "default": 16},
    "logprobs": {"type": ["integer", "null"], "minimum": 0, "maximum": "@top_logprobs"},
    "echo": {"type": ["boolean", "null"], "description": "The prompt before each answer; not with logprobs"},
    "suffix": {"type": ["string", "null"], "maxLength": 0, "description": "Not supported"}}},
  {"anyOf": [{"properties": {"echo": {"enum": [false, null]}}}, {"properties": {"logprobs": {"type": "null"}}}]},
  {"$ref": "#/components/schemas/StreamOptionsRule"}]},
"TokenizeRequest": {"type": "object", "properties": {
  "model": {"$ref": "#/components/schemas/ModelName"},
  "prompt": {"type": ["string", "null"]},
  "content": {"type": ["string", "null"], "description": "The same, as llama.cpp has it"}},
  "oneOf": [{"required": ["prompt"], "properties": {"prompt": {"type": "string"}}},
    {"required": ["content"], "properties": {"content": {"type": "string"}}}]},
"DetokenizeRequest": {"type": "object", "required": ["tokens"], "properties": {
  "model": {"$ref": "#/components/schemas/ModelName"},
  "tokens": {"type": "array", "maxItems": "@prompt_ids", "items": {"$ref": "#/components/schemas/TokenId"}}}}
})json";
}

}  // namespace tessera
