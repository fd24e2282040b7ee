#pragma once

#include <random>
#include <string>

#include "base/json.h"

namespace tessera {

/// Values, and texts of them: blanks, escapes and numbers as JSON allows them, changed ones.
class RandomJson {
 public:
  explicit RandomJson(uint32_t seed) : random_(seed) {}

  std::mt19937& random() { return random_; }
  int below(int count) { return static_cast<int>(random_() % static_cast<uint32_t>(count)); }

  Json value(int depth) {
    const int kind = below(depth > 0 ? 8 : 6);
    if (kind == 0) return nullptr;
    if (kind == 1) return below(2) == 0;
    if (kind == 2) return below(2000) - 1000;
    if (kind == 3) return (below(2000) - 1000) / 8.0;
    if (kind < 6) return text();
    if (kind == 6) return object(depth - 1);
    Json list = Json::array();
    for (int i = below(4); i > 0; --i) list.push_back(value(depth - 1));
    return list;
  }

  Json object(int depth) {
    Json out = Json::object();
    for (int i = below(4); i > 0; --i) out[text()] = value(depth);
    return out;
  }

  std::string text() {
    static constexpr const char* kPieces[] = {"a",  "b",  "é", "天", "😀", "\"", "\\",   "\n",
                                              "\t", "\b", "/", " ",  "0", "{",  "\x01", "\x7F"};
    std::string out;
    for (int i = below(5); i > 0; --i) out += kPieces[below(16)];
    return out;
  }

  /// The value as JSON, with blanks between its parts. `plain`: only what must be is escaped.
  std::string write(const Json& value, bool plain = false) {
    if (value.is_string()) return write_string(value.get<std::string>(), plain);
    if (!value.is_structured()) return value.dump();
    std::string out = value.is_object() ? "{" : "[";
    out += blanks();
    bool first = true;
    for (const auto& [key, item] : value.items()) {
      if (!first) out += "," + blanks();
      first = false;
      // Keys that a schema names are written in one way.
      if (value.is_object()) out += write_string(key, true) + blanks() + ":" + blanks();
      out += write(item, plain) + blanks();
    }
    return out + (value.is_object() ? "}" : "]");
  }

  std::string mutate(std::string text) {
    static constexpr std::string_view kBytes = "{}[]\",:\\0123eE+-.tfn u\n\xC3\xA9\xF0";
    for (int i = 1 + below(2); i > 0 && !text.empty(); --i) {
      const auto at = static_cast<size_t>(below(static_cast<int>(text.size())));
      const char byte = kBytes[static_cast<size_t>(below(static_cast<int>(kBytes.size())))];
      switch (below(4)) {
        case 0:
          text.erase(at, 1);
          break;
        case 1:
          text.insert(at, 1, byte);
          break;
        case 2:
          text[at] = byte;
          break;
        default:
          text.insert(at, text.substr(at, static_cast<size_t>(1 + below(6))));
      }
    }
    return text;
  }

 private:
  std::string blanks() {
    static constexpr const char* kBlanks[] = {"", "", "", " ", "\n  ", "\t", "\r\n"};
    return kBlanks[below(7)];
  }

  std::string write_string(const std::string& text, bool plain) {
    std::string out = Json(text).dump(-1, ' ', !plain && below(3) == 0);  // all escaped, or little
    if (!plain && below(4) == 0)
      for (size_t at = 0; (at = out.find('/', at)) != out.npos; at += 2) out.insert(at, "\\");
    return out;
  }

  std::mt19937 random_;
};

}  // namespace tessera
