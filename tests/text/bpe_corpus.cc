#include "tests/text/bpe_corpus.h"

#include <fmt/format.h>

#include "base/file.h"
#include "tests/text/utf8.h"

namespace tessera {
namespace {

// Knuth's MMIX generator: the upper 32 bits of each state.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint32_t operator()() {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return static_cast<uint32_t>(state_ >> 32);
  }

 private:
  uint64_t state_;
};

}  // namespace

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2)
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

BpeCorpus::BpeCorpus(const std::string& data_dir) {
  for (const Json& hex : read_json_file(data_dir + "/bpe/fragments.json", 1 << 20))
    fragments_.push_back(from_hex(hex.get<std::string>()));
}

std::string BpeCorpus::text(uint64_t number) const {
  Random random(number);
  std::string out;
  for (uint32_t parts = 1 + random() % 330; parts > 0; --parts) {
    const uint32_t way = random() % 64, value = random();
    const std::string& fragment = fragments_[value % fragments_.size()];
    if (way < 2) {
      const uint32_t code = value % 0x110000;
      out += utf8(code >= 0xD800 && code < 0xE000 ? 0xFFFD : code);
    } else if (way == 2) {
      out += static_cast<char>(value % 256);
    } else if (way == 3) {
      for (uint32_t times = value / 65536 % 12; times > 0; --times) out += fragment;
    } else {
      out += fragment;
    }
  }
  return out;
}

std::vector<int32_t> BpeCorpus::ids(uint64_t number, uint32_t vocab) {
  Random random(1'000'000 + number);
  std::vector<int32_t> ids(1 + random() % 60);
  for (int32_t& id : ids) id = static_cast<int32_t>(random() % vocab);
  return ids;
}

void Fnv::add_ids(const std::vector<int32_t>& ids) {
  const auto add_one = [&](uint32_t id) {
    for (int shift = 0; shift < 32; shift += 8) {
      const char byte = static_cast<char>(id >> shift & 0xFF);
      add({&byte, 1});
    }
  };
  for (const int32_t id : ids) add_one(static_cast<uint32_t>(id));
  add_one(0xFFFFFFFF);
}

std::string Fnv::hex() const {
  return fmt::format("{:016x}", value_);
}

}  // namespace tessera
