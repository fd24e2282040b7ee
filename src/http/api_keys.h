#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

/// The keys that open the server, and whose they are. Keeps their SHA-256 alone.
class ApiKeys {
 public:
  /// Adds the keys in `text`, one a line: "name:key", or "key", which is then called "key-1",
  /// "key-2" in the order of all keys. Empty lines and lines that begin with "#" are skipped. A
  /// name may have several keys. Throws Error that names `where` and the line, and never quotes a
  /// key: for a key of less than 16 characters, of others than visible ASCII, or one that is there
  /// already, and for a name of others than 1 to 64 letters, digits and "-_.@".
  void add(std::string_view text, const std::string& where);

  /// Adds those of a file, which must hold at least one; at most 1 MiB. A file that others than
  /// its owner may write is refused. Returns what to warn of: that everybody may read it (refused
  /// it is not, because that is how containers mount secrets); empty: nothing.
  std::string add_file(const std::string& path);

  bool empty() const { return keys_.empty(); }

  /// Whose key `presented` is. Takes the same time whichever it is, and if it is none.
  std::optional<std::string> owner(std::string_view presented) const;

 private:
  using Digest = std::array<unsigned char, 32>;
  struct Key {
    std::string owner;
    Digest digest;
  };
  static Digest digest_of(std::string_view key);
  void add_line(std::string_view line, const std::string& where);

  std::vector<Key> keys_;
};

/// The key in "Authorization: Bearer KEY", or, as a browser sends it, the password of "Basic"
/// (RFC 7617), whatever the name; empty: none.
std::string presented_key(std::string_view authorization);

}  // namespace tessera
