#include "checkpoint/weight_map.h"

#include "checkpoint/json_events.h"
#include "tessera/error.h"

namespace tessera {
namespace {

constexpr int kMaxDepth = 16;

// {"metadata": anything, "weight_map": {tensor: file, ..}}; other members are skipped.
class WeightMapEvents final : public JsonEvents {
 public:
  using JsonEvents::JsonEvents;

  WeightMap map;
  bool found = false;

  bool null() override { return skip("null"); }
  bool boolean(bool) override { return skip("true or false"); }
  bool number_integer(int64_t) override { return skip("a number"); }
  bool number_unsigned(uint64_t) override { return skip("a number"); }
  bool number_float(double, const std::string&) override { return skip("a number"); }
  bool start_array(size_t) override { return skip("a list") && descend(); }
  bool end_array() override { return ascend(); }
  bool end_object() override { return ascend(); }

  bool start_object(size_t) override {
    if (depth_ == 1 && member_ == "weight_map") {
      if (found) refuse("it twice");
      found = true;
    } else if (depth_ > 0) {
      skip("an object");
    }
    return descend();
  }

  bool key(std::string& key) override {
    if (depth_ == 1)
      member_ = std::move(key);
    else if (in_map())
      tensor_ = std::move(key);
    return true;
  }

  bool string(std::string& file) override {
    if (!in_map()) return skip("a string");
    if (file.empty() || file == "." || file == ".." || file.find('/') != file.npos ||
        file.find('\0') != file.npos)
      refuse('"' + file.substr(0, 60) + '"');
    if (tensor_.empty() || !map.emplace(tensor_, file).second) refuse("a name empty or used twice");
    return true;
  }

 private:
  bool in_map() const { return depth_ == 2 && member_ == "weight_map"; }

  bool skip(const char* found_here) const {
    if (depth_ == 0 || member_ == "weight_map") refuse(found_here);
    return true;
  }
  bool descend() {
    if (++depth_ > kMaxDepth) refuse("deeper nesting");
    return true;
  }
  bool ascend() {
    --depth_;
    return true;
  }

  Place place() const override {
    if (depth_ == 0) return {"", "a JSON object"};
    if (in_map()) return {"weight_map." + tensor_, "the plain name of a file in the same folder"};
    return {member_, member_ == "weight_map" ? "an object of file names" : "less nesting"};
  }

  int depth_ = 0;
  std::string member_, tensor_;
};

}  // namespace

WeightMap parse_weight_map(std::string_view text, const std::string& where) {
  WeightMapEvents events(where);
  events.read(text);
  if (!events.found)
    throw Error({.where = where, .what = "weight_map", .expected = "this key", .found = "none"});
  return std::move(events.map);
}

}  // namespace tessera
