#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "http/http.h"

namespace tessera {

/// Who answers which path. Built once; then only read, from any thread.
class Router {
 public:
  /// Two routes of one path and method, or a path that does not begin with "/", are an Error.
  explicit Router(std::vector<Route> routes);

  struct Match {
    const Route* route = nullptr;  ///< null: none for this method
    std::string allow = {};        ///< the methods that this path has; empty: there is no such path
  };
  /// HEAD finds what GET finds. Of several paths ending in "/*" the longest counts, and one without
  /// before all of them.
  Match find(std::string_view method, std::string_view path) const;

 private:
  using Methods = std::map<std::string, Route, std::less<>>;
  std::map<std::string, Methods, std::less<>> exact_, below_;
};

}  // namespace tessera
