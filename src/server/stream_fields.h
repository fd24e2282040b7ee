#pragma once

#include "server/body_fields.h"

namespace tessera {

/// How the answer is to be sent.
struct StreamFields {
  bool stream = false;
  bool include_usage = false;  ///< a last piece with the usage
};

/// stream and stream_options: {"include_usage"}; options without a stream are refused, as OpenAI
/// does.
inline StreamFields read_stream_fields(const BodyFields& body) {
  StreamFields fields{.stream = body.boolean("stream", false)};
  if (!body.has("stream_options")) return fields;
  const BodyFields options(body.at("stream_options"), "stream_options");
  if (!fields.stream)
    throw wrong_field("stream_options", "stream to be true as well", "a whole answer");
  fields.include_usage = options.boolean("include_usage", false);
  return fields;
}

}  // namespace tessera
