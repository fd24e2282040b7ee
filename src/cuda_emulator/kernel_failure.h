#pragma once

#include <exception>
#include <string>
#include <utility>

namespace tessera {

/// A kernel did what CUDA leaves undefined, or waits for ever. what() says who and where, in lines.
class KernelFailure : public std::exception {
 public:
  explicit KernelFailure(std::string report) : report_(std::move(report)) {}
  const char* what() const noexcept override { return report_.c_str(); }

 private:
  std::string report_;
};

}  // namespace tessera
