#pragma once

#include <exception>
#include <string>

namespace tessera {

/// The five parts of an error, kept apart for JSON; any may be empty.
struct ErrorParts {
  std::string where = {};     ///< the file, option or device
  std::string what = {};      ///< the key in it, or what happened
  std::string expected = {};  ///< what would have been right
  std::string found = {};     ///< what was there
  std::string hint = {};      ///< what to do about it
};

/// Anything that the caller can put right. what() is one line:
///   where: what: expected E, found F (hint)
/// Control characters in the parts (a hostile file name) are printed as escapes.
class Error : public std::exception {
 public:
  explicit Error(ErrorParts parts);

  const ErrorParts& parts() const { return parts_; }
  const char* what() const noexcept override { return line_.c_str(); }

 private:
  ErrorParts parts_;
  std::string line_;
};

/// The request itself is malformed (a wrong option, a bad device list): exit status 2.
class UsageError : public Error {
 public:
  using Error::Error;
};

/// The caller cancelled: not a failure, exit status 130.
class Cancelled : public Error {
 public:
  Cancelled();
};

}  // namespace tessera
