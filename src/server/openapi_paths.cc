#include "server/openapi.h"

namespace tessera {

std::string_view openapi_paths() {
  return R"json({
"/v1/chat/completions": {"post": {
  "operationId": "chat", "summary": "An answer to a conversation",
  "requestBody": {"required": true, "content": {"application/json": {
    "schema": {"$ref": "#/components/schemas/ChatRequest"}}}},
  "responses": {
    "200": {"description": "The answer; with stream true as server-sent events, each with a ChatChunk, the last one [DONE]",
      "content": {
        "application/json": {"schema": {"$ref": "#/components/schemas/ChatAnswer"}},
        "text/event-stream": {"schema": {"$ref": "#/components/schemas/ChatEvent"}}}},
    "429": {"$ref": "#/components/responses/Busy"},
    "503": {"$ref": "#/components/responses/NotReady"}}}},
"/v1/completions": {"post": {
  "operationId": "complete", "summary": "What goes on after a prompt",
  "requestBody": {"required": true, "content": {"application/json": {
    "schema": {"$ref": "#/components/schemas/CompletionRequest"}}}},
  "responses": {
    "200": {"description": "The answer; with stream true as server-sent events of the same shape, the last one [DONE]",
      "content": {
        "application/json": {"schema": {"$ref": "#/components/schemas/CompletionAnswer"}},
        "text/event-stream": {"schema": {"$ref": "#/components/schemas/CompletionEvent"}}}},
    "429": {"$ref": "#/components/responses/Busy"},
    "503": {"$ref": "#/components/responses/NotReady"}}}},
"/v1/models": {"get": {
  "operationId": "listModels", "summary": "The model, under each of its names",
  "responses": {"200": {"description": "A list", "content": {"application/json": {"schema": {
    "type": "object", "required": ["object", "data"], "properties": {
      "object": {"const": "list"},
      "data": {"type": "array", "items": {"$ref": "#/components/schemas/Model"}}}}}}}}}},
"/v1/models/{id}": {"get": {
  "operationId": "showModel", "summary": "The model under that name",
  "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string", "pattern": "^[^\\u0000-\\u001f\\u007f]+$"}}],
  "responses": {"200": {"description": "The model",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Model"}}}}}}},
"/tokenize": {"post": {
  "operationId": "tokenize", "summary": "Token ids of a text",
  "requestBody": {"required": true, "content": {"application/json": {
    "schema": {"$ref": "#/components/schemas/TokenizeRequest"}}}},
  "responses": {"200": {"description": "The ids",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Tokens"}}}}}}},
"/detokenize": {"post": {
  "operationId": "detokenize", "summary": "The text of token ids",
  "requestBody": {"required": true, "content": {"application/json": {
    "schema": {"$ref": "#/components/schemas/DetokenizeRequest"}}}},
  "responses": {"200": {"description": "The text, under the names that vLLM and llama.cpp have for it",
    "content": {"application/json": {"schema": {"type": "object", "required": ["prompt", "content"],
      "properties": {"prompt": {"type": "string"}, "content": {"type": "string"}}}}}}}}},
"/health/live": {"get": {
  "operationId": "live", "summary": "The process answers", "security": [],
  "responses": {"200": {"description": "It does",
    "content": {"application/json": {"schema": {"type": "object", "required": ["status"],
      "properties": {"status": {"const": "live"}}}}}}}}},
"/health/ready": {"get": {
  "operationId": "ready", "summary": "The engine can serve",
  "responses": {
    "200": {"description": "It can",
      "content": {"application/json": {"schema": {"type": "object", "required": ["status"],
        "properties": {"status": {"const": "ready"}}}}}},
    "503": {"$ref": "#/components/responses/NotReady"}}}},
"/metrics": {"get": {
  "operationId": "metrics", "summary": "Figures for Prometheus",
  "responses": {"200": {"description": "Text exposition format",
    "content": {"text/plain": {"schema": {"type": "string"}}}}}}},
"/v1/plan": {"get": {
  "operationId": "plan", "summary": "The plan that the engine runs, as tessera plan --json prints it",
  "responses": {"200": {"description": "The plan",
    "content": {"application/json": {"schema": {"type": "object"}}}}}}},
"/v1/status": {"get": {
  "operationId": "status", "summary": "What the engine is doing, what its devices hold, the plan in short",
  "responses": {"200": {"description": "The status",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/EngineReport"}}}}}}},
"/v1/events": {"get": {
  "operationId": "events", "summary": "The status, ten times a second",
  "responses": {
    "200": {"description": "Server-sent events without end, each with a Status",
      "content": {"text/event-stream": {"schema": {"$ref": "#/components/schemas/StatusEvent"}}}},
    "503": {"$ref": "#/components/responses/Failed"}}}},
"/openapi.json": {"get": {
  "operationId": "openapi", "summary": "This description",
  "responses": {"200": {"description": "OpenAPI 3.1",
    "content": {"application/json": {"schema": {"type": "object"}}}}}}}
})json";
}

}  // namespace tessera
