#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/json.h"

namespace tessera {

/// Receives a JSON document event by event. Files with a member per tensor are read this way: their
/// size is a stranger's choice, and neither a tree of them nor a search per key is affordable.
/// Every event that the derived class does not take is an Error.
class JsonEvents : public nlohmann::json_sax<Json> {
 public:
  explicit JsonEvents(std::string where) : where_(std::move(where)) {}

  /// Takes the whole of `text`, one JSON document.
  void read(std::string_view text);

  bool null() override { refuse("null"); }
  bool boolean(bool) override { refuse("true or false"); }
  bool number_integer(int64_t value) override { refuse(std::to_string(value)); }
  bool number_unsigned(uint64_t value) override { refuse(std::to_string(value)); }
  bool number_float(double, const std::string& text) override { refuse(text.substr(0, 40)); }
  bool string(std::string& value) override { refuse('"' + value.substr(0, 60) + '"'); }
  bool binary(nlohmann::json::binary_t&) override { refuse("binary"); }
  bool start_object(size_t) override { refuse("an object"); }
  bool key(std::string& value) override { refuse("the key \"" + value.substr(0, 60) + '"'); }
  bool end_object() override { refuse("the end of an object"); }
  bool start_array(size_t) override { refuse("a list"); }
  bool end_array() override { refuse("the end of a list"); }
  bool parse_error(size_t position, const std::string& token,
                   const nlohmann::json::exception& e) override;

 protected:
  /// What should have stood here, and under which key, as the error tells it.
  struct Place {
    std::string what, expected;
  };
  virtual Place place() const = 0;

  [[noreturn]] void refuse(const std::string& found) const;
  const std::string& where() const { return where_; }

 private:
  std::string where_;
};

}  // namespace tessera
