#include "runtime/card_shares.h"

#include <fmt/format.h>

#include "tessera/error.h"

namespace tessera {
namespace {

struct Asked {
  const DeviceSpec* spec;
  size_t card;
};

std::vector<Asked> cards_asked_for(const std::vector<DeviceSpec>& specs, size_t cards) {
  std::vector<Asked> asked;
  size_t next = 0;
  for (const DeviceSpec& spec : specs) {
    if (spec.kind != DeviceSpec::Kind::kCuda) continue;
    const size_t card = spec.index >= 0 ? static_cast<size_t>(spec.index) : next++;
    if (card >= cards)
      throw Error({.where = "--devices",
                   .what = spec.text,
                   .expected = cards == 1 ? "cuda:0, the only GPU"
                                          : fmt::format("cuda:0 to cuda:{}", cards - 1),
                   .found = fmt::format("cuda:{}", card),
                   .hint = "several devices on one GPU: 3xcuda:0@24GiB"});
    asked.push_back({&spec, card});
  }
  return asked;
}

}  // namespace

std::vector<CardShare> share_cards(const std::vector<DeviceSpec>& specs,
                                   const std::vector<CudaCard>& cards) {
  const std::vector<Asked> asked = cards_asked_for(specs, cards.size());
  struct Use {
    uint64_t left = 0;  // for those without a size
    uint64_t unsized = 0, devices = 0, named = 0;
  };
  std::vector<Use> uses(cards.size());
  for (size_t i = 0; i < cards.size(); ++i) {
    const uint64_t reserve = card_reserve_bytes(cards[i]);
    uses[i].left = cards[i].free_bytes > reserve ? cards[i].free_bytes - reserve : 0;
  }
  for (const auto& [spec, card] : asked) {
    Use& use = uses[card];
    ++use.devices;
    if (!spec->memory_bytes) {
      ++use.unsized;
      continue;
    }
    if (*spec->memory_bytes > use.left)
      throw Error({.where = "--devices",
                   .what = spec->text,
                   .expected = fmt::format("at most {}: cuda:{} has {}, of which {} are free",
                                           format_bytes(use.left), card,
                                           format_bytes(cards[card].memory_bytes),
                                           format_bytes(cards[card].free_bytes)),
                   .found = format_bytes(*spec->memory_bytes),
                   .hint = use.devices > 1 ? "the devices before it on this GPU count too"
                                           : "nvidia-smi shows what else is on the GPU"});
    use.left -= *spec->memory_bytes;
  }
  std::vector<CardShare> shares;
  for (const auto& [spec, card] : asked) {
    Use& use = uses[card];
    const uint64_t bytes =
        spec->memory_bytes.value_or(use.unsized > 0 ? use.left / use.unsized : 0);
    shares.push_back({.card = card,
                      .name = use.devices == 1 ? fmt::format("cuda:{}", card)
                                               : fmt::format("cuda:{}.{}", card, use.named++),
                      .budget_bytes = bytes,
                      .graphs = spec->graphs,
                      .cublaslt = spec->cublaslt});
  }
  return shares;
}

}  // namespace tessera
