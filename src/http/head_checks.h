#pragma once

#include "http/request_reader.h"

namespace tessera {

/// What a parser of HTTP lets pass and a server should not: a request without a Host or with two;
/// anything that two servers may read as bodies of different lengths; two of a header of which the
/// first and the last may be believed; headers that are no UTF-8. Throws HttpError; else sets
/// head.expects_continue.
void check_head(RequestHead& head);

}  // namespace tessera
