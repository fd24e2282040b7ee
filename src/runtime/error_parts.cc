#include "runtime/error_parts.h"

#include <new>

namespace tessera {

ErrorParts parts_of(const std::exception_ptr& error) {
  if (!error) return {.where = "engine", .what = "cancelled"};
  try {
    std::rethrow_exception(error);
  } catch (const Error& e) {
    return e.parts();
  } catch (const std::bad_alloc&) {
    return {.where = "engine", .what = "out of host memory"};
  } catch (const std::exception& e) {
    return {.where = "engine", .what = e.what()};
  }
}

}  // namespace tessera
