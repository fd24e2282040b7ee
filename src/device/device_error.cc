#include "device/device_error.h"

#include <fmt/format.h>

#include <new>

#include "tessera/error.h"

namespace tessera {

std::exception_ptr current_error(const std::string& device, const std::string& stream) {
  const auto wrap = [&](const char* reason) {
    return std::make_exception_ptr(
        Error({.where = device, .what = fmt::format("stream {}: {}", stream, reason)}));
  };
  try {
    throw;
  } catch (const Error&) {
    return std::current_exception();
  } catch (const std::bad_alloc&) {
    return wrap("out of host memory");
  } catch (const std::exception& e) {
    return wrap(e.what());
  } catch (...) {
    return wrap("an exception of unknown type");
  }
}

void throw_wrong_event(const std::string& device, const char* expected) {
  throw Error({.where = device,
               .what = "event",
               .expected = expected,
               .found = "one made by another kind of device"});
}

}  // namespace tessera
