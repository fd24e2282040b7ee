#pragma once

#include <exception>
#include <string>
#include <utility>

#include "http/http_session.h"

namespace tessera {

template <typename Call>
auto HttpSession::kept(Call call) {
  return [self = shared_from_this(), call = std::move(call)](auto... arguments) {
    try {
      call(arguments...);
    } catch (const std::exception& error) {
      if (self->shared_->log)
        self->shared_->log(LogLevel::kWarning,
                           "server: " + self->client_.text + " is dropped: " + error.what());
      self->close();
    }
  };
}

}  // namespace tessera
