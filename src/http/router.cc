#include "http/router.h"

#include "tessera/error.h"

namespace tessera {
namespace {

std::string allowed_methods(const std::map<std::string, Route, std::less<>>& methods) {
  std::string list;
  for (const auto& [method, route] : methods)
    list += method + (method == "GET" ? ", HEAD, " : ", ");
  return list + "OPTIONS";
}

}  // namespace

Router::Router(std::vector<Route> routes) {
  for (Route& route : routes) {
    const std::string path = route.path, method = route.method;
    if (!path.starts_with('/'))
      throw Error({.where = "route", .expected = "a path that begins with /", .found = path});
    const bool below = path.ends_with("/*");
    Methods& methods = below ? below_[path.substr(0, path.size() - 1)] : exact_[path];
    if (!methods.emplace(method, std::move(route)).second)
      throw Error({.where = "route", .what = method + " " + path, .found = "it twice"});
  }
}

Router::Match Router::find(std::string_view method, std::string_view path) const {
  const Methods* methods = nullptr;
  if (const auto found = exact_.find(path); found != exact_.end()) methods = &found->second;
  for (size_t end = path.size(); methods == nullptr && end > 0; --end)
    if (path[end - 1] == '/' && end < path.size())
      if (const auto found = below_.find(path.substr(0, end)); found != below_.end())
        methods = &found->second;
  if (methods == nullptr) return {};

  const auto found = methods->find(method == "HEAD" ? "GET" : method);
  return {.route = found == methods->end() ? nullptr : &found->second,
          .allow = allowed_methods(*methods)};
}

}  // namespace tessera
