#pragma once

#include <string>
#include <string_view>

namespace tessera {

/// What a client calls its request, if that can stand in a log and a header: 1 to 128 of letters,
/// digits and "-_.:/+=~". Anything else, and nothing, gives a new random one of 32 digits.
std::string request_id_from(std::string_view sent);

}  // namespace tessera
