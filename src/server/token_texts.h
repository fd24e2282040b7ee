#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

#include "tessera/engine.h"

namespace tessera {

/// What single tokens add to a text, each asked of the engine once. A token whose bytes are no
/// whole characters is U+FFFD, and whole() says that its bytes are not known; special tokens are
/// empty. Any thread. The engine must outlive it.
class TokenTexts {
 public:
  explicit TokenTexts(const Engine& engine);

  struct Text {
    std::string text;
    bool whole = true;
  };
  /// Valid as long as this object.
  const Text& of(int32_t token);

 private:
  const Engine& engine_;
  std::mutex mutex_;
  bool ready_ = false;           // guarded by mutex_, as is all that follows
  std::vector<int32_t> before_;  // a token that stands before, since a text loses its first space
  std::string before_text_;
  std::unordered_map<int32_t, Text> texts_;  // no more than the vocabulary; nodes stay in place
};

}  // namespace tessera
