#include "form/grammar.h"

namespace tessera {

uint32_t Grammar::declare_rule(bool leaf, const std::string& place) {
  rules.push_back({.leaf = leaf, .place = place});
  return static_cast<uint32_t>(rules.size() - 1);
}

}  // namespace tessera
