#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "server/request_error.h"

namespace tessera {

/// A request's body as a JSON object. HttpError when it is not one; text that is not UTF-8 is
/// not JSON.
Json parse_body(const std::string& body);

/// The fields of one object in a request, typed. null counts as absent, as OpenAI's clients send
/// it. Every wrong value is an HttpError whose param is the field's whole path
/// ("messages[0].content"). Holds a reference: the document must outlive it.
class BodyFields {
 public:
  /// Throws HttpError when `json` is no object; `path` is empty at the top.
  BodyFields(const Json& json, std::string path);

  bool has(const std::string& key) const;
  const Json& at(const std::string& key) const;  ///< must be there
  std::string path(const std::string& key) const;

  bool boolean(const std::string& key, bool fallback) const;
  int64_t integer(const std::string& key, int64_t fallback, int64_t min, int64_t max) const;
  double number(const std::string& key, double fallback, double min, double max) const;
  std::string string(const std::string& key, const std::string& fallback) const;
  /// Token ids: a list of numbers from 0 on.
  std::vector<int32_t> token_ids(const std::string& key, size_t max_count) const;

  /// Refuses each of these that is there and neither null, false, 0, nor an empty list or object.
  void refuse(const std::vector<std::string>& keys, const std::string& hint) const;

 private:
  const Json* json_;
  std::string path_;
};

/// An element of a list: "messages" and 3 give "messages[3]".
std::string element_path(const std::string& list, size_t index);

}  // namespace tessera
