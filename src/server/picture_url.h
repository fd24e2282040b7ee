#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tessera/engine.h"

namespace tessera {

/// The picture of an image_url: "data:image/png;base64,...", a JPEG, PNG, WebP or GIF. `param` is
/// where it stands in the request and becomes the picture's name, so that errors found while it is
/// decoded name it, too.
///
/// Nothing is ever fetched: a URL of any other scheme is an HttpError that says so. So are more
/// than `max_bytes` of picture, text that is not base64, and a type that is none of the four.
Picture picture_of_url(std::string_view url, const std::string& param, uint64_t max_bytes);

}  // namespace tessera
