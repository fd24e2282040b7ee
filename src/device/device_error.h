#pragma once

#include <exception>
#include <string>

namespace tessera {

// What the streams of all kinds of devices say alike.

/// The exception being handled, as an Error: its own kind where it is one, else one that names the
/// stream.
std::exception_ptr current_error(const std::string& device, const std::string& stream);

/// Throws the Error of an event that this device cannot record or wait for.
[[noreturn]] void throw_wrong_event(const std::string& device, const char* expected);

}  // namespace tessera
