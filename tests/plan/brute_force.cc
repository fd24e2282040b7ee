#include "tests/plan/brute_force.h"

#include <algorithm>
#include <functional>
#include <limits>

#include "plan/cost_model.h"
#include "plan/memory_model.h"

namespace tessera {
namespace {

constexpr int64_t kNone = std::numeric_limits<int64_t>::max();
constexpr int kHost = -1;

struct Candidate {
  std::vector<int> order;  ///< devices in pipeline order
  std::vector<int> ends;   ///< a stage's end layer
  int vision = kHost, embedding = kHost;
  std::vector<Precision> precisions;
  Precision head = Precision::kBF16;
};

struct Figures {
  int64_t answer = 0, step = 0, bottleneck = 0;
};

class Enumerator {
 public:
  explicit Enumerator(const PlanProblem& problem) : p_(problem) {}

  /// Calls visit for every candidate with these precisions, whether it fits or not.
  void each(const std::vector<Precision>& precisions, Precision head,
            const std::function<void(const Candidate&)>& visit) {
    candidate_ = {};
    candidate_.precisions = precisions;
    candidate_.head = head;
    visit_ = &visit;
    grow(0);
  }

 private:
  int layers() const { return static_cast<int>(p_.layers.size()); }
  int devices() const { return static_cast<int>(p_.devices.size()); }

  void grow(int first) {
    if (first == layers()) return place();
    for (int d = 0; d < devices(); ++d) {
      if (std::count(candidate_.order.begin(), candidate_.order.end(), d) > 0) continue;
      candidate_.order.push_back(d);
      for (int end = first + 1; end <= layers(); ++end) {
        candidate_.ends.push_back(end);
        grow(end);
        candidate_.ends.pop_back();
      }
      candidate_.order.pop_back();
    }
  }

  void place() {
    const int first_vision = p_.vision ? 0 : kHost, last_vision = p_.vision ? devices() - 1 : kHost;
    for (int v = first_vision; v <= last_vision; ++v)
      for (int e = p_.embedding_on_host_allowed ? kHost : 0; e < devices(); ++e) {
        candidate_.vision = v;
        candidate_.embedding = e;
        (*visit_)(candidate_);
      }
  }

  const PlanProblem& p_;
  Candidate candidate_;
  const std::function<void(const Candidate&)>* visit_ = nullptr;
};

bool fits(const PlanProblem& p, const Candidate& c, int64_t blocks) {
  for (int d = 0; d < static_cast<int>(p.devices.size()); ++d) {
    const PlanDevice& device = p.devices[static_cast<size_t>(d)];
    const auto stage = std::find(c.order.begin(), c.order.end(), d) - c.order.begin();
    const bool runs = stage < static_cast<ptrdiff_t>(c.order.size());
    const bool vision = c.vision == d, embedding = c.embedding == d;
    if (!runs && !vision && !embedding) continue;
    const uint64_t g = device.granule_bytes;
    const bool head = runs && stage + 1 == static_cast<ptrdiff_t>(c.order.size());
    uint64_t bytes = device.fixed_bytes;
    bytes += round_up(p.arena_bytes[(runs ? 1U : 0U) + (head ? 2U : 0U) + (vision ? 4U : 0U) +
                                    (embedding ? 8U : 0U)],
                      g);
    if (runs) {
      const int first = stage == 0 ? 0 : c.ends[static_cast<size_t>(stage) - 1];
      for (int u = first; u < c.ends[static_cast<size_t>(stage)]; ++u) {
        const PlanUnit& layer = p.layers[static_cast<size_t>(u)];
        bytes += round_up(layer.costs.at(c.precisions[static_cast<size_t>(u)]).weight_bytes, g);
        bytes += round_up(static_cast<uint64_t>(blocks) * 16 * layer.kv_bytes_per_token, g);
      }
    }
    if (head) bytes += round_up(p.head.costs.at(c.head).weight_bytes, g);
    if (vision) bytes += round_up(p.vision->costs.at(Precision::kBF16).weight_bytes, g);
    if (embedding) bytes += round_up(p.embedding.costs.at(Precision::kBF16).weight_bytes, g);
    if (bytes > device.budget_bytes) return false;
  }
  return true;
}

Figures figures(const PlanProblem& p, const Candidate& c) {
  const Workload& w = p.workload;
  const int64_t chunks = chunk_count(w);
  const Pass one = decode_pass(w, 1), batch = decode_pass(w, w.micro_batch);
  const Pass chunk = prefill_pass(w);
  const auto at = [](int i) { return static_cast<size_t>(i); };
  const auto over = [&](const PlanLink& l, double rows) {
    return link_ns(l, rows, p.hidden_bytes_per_token);
  };
  int64_t step1 = 0, stepb = 0, chunk_sum = 0, chunk_max = 0, bottleneck = 0;

  for (size_t s = 0; s < c.order.size(); ++s) {
    const PlanDevice& d = p.devices[at(c.order[s])];
    int64_t t1 = 0, tb = 0, tc = 0, l1 = 0, lb = 0, lc = 0;
    for (int u = s == 0 ? 0 : c.ends[s - 1]; u < c.ends[s]; ++u) {
      t1 += unit_ns(p.layers[at(u)], c.precisions[at(u)], d, one);
      tb += unit_ns(p.layers[at(u)], c.precisions[at(u)], d, batch);
      tc += unit_ns(p.layers[at(u)], c.precisions[at(u)], d, chunk);
    }
    if (s + 1 == c.order.size()) tb += unit_ns(p.head, c.head, d, batch);
    if (s > 0 || c.embedding != c.order[0]) {
      const PlanLink& l = s == 0 ? p.links.from_host[at(c.order[0])]
                                 : p.links.between[at(c.order[s - 1])][at(c.order[s])];
      l1 = over(l, 1);
      lb = over(l, static_cast<double>(w.micro_batch));
      lc = over(l, chunk.new_tokens);
    }
    step1 += t1 + l1;
    stepb += tb + lb;
    chunk_sum += tc + lc;
    chunk_max = std::max(chunk_max, tc);
    bottleneck = std::max(bottleneck, tb + lb);
  }
  if (c.embedding != kHost && c.embedding != c.order[0]) {
    const PlanLink& back = p.links.to_host[at(c.embedding)];
    step1 += over(back, 1);
    stepb += over(back, static_cast<double>(w.micro_batch));
    chunk_sum += over(back, chunk.new_tokens);
  }
  int64_t pictures = 0;
  if (c.vision != kHost) {
    const auto rows = static_cast<double>(w.image_tokens);
    pictures = vision_ns(p, p.devices[at(c.vision)]);
    if (c.vision != c.order[0])
      pictures +=
          over(p.links.to_host[at(c.vision)], rows) + over(p.links.from_host[at(c.order[0])], rows);
  }
  const PlanDevice& last = p.devices[at(c.order.back())];
  const int64_t tail = link_ns(p.links.to_host[at(c.order.back())], 0, 0);
  const int64_t head = unit_ns(p.head, c.head, last, one);
  const int64_t steps = std::max<int64_t>(w.answer_tokens, 1);
  return {.answer = w.images * pictures + chunk_sum + (chunks - 1) * chunk_max +
                    (steps - 1) * step1 + steps * (head + tail),
          .step = stepb + tail,
          .bottleneck = bottleneck};
}

int64_t loss_of(const PlanProblem& p, const Candidate& c) {
  int64_t loss = loss_units(p.head.costs.at(c.head).loss);
  for (size_t u = 0; u < p.layers.size(); ++u)
    loss += loss_units(p.layers[u].costs.at(c.precisions[u]).loss);
  return loss;
}

int64_t most_blocks(const PlanProblem& p, const Candidate& c, int64_t low) {
  // Small problems: step by step, up to what the planner too calls no limit.
  const bool any_kv = std::any_of(p.layers.begin(), p.layers.end(), [](const PlanUnit& layer) {
    return layer.kv_bytes_per_token > 0;
  });
  if (!any_kv) return std::max(low, int64_t{1} << 32);
  while (fits(p, c, low + 1)) ++low;
  return low;
}

class Optimum {
 public:
  Optimum(const PlanProblem& p, Objective objective, std::vector<Precision> precisions,
          Precision head)
      : p_(p), objective_(objective), precisions_(std::move(precisions)), head_(head) {
    each([&](const Candidate& c) {
      if (fits(p_, c, kv_blocks_of(p_.workload))) fitting_.emplace_back(c, figures(p_, c));
    });
  }

  BruteForce solve() {
    BruteForce out;
    if (fitting_.empty()) return out;
    out.fits = true;
    out.loss = loss_of(p_, fitting_.front().first);
    out.kv_blocks = kv_blocks_of(p_.workload);
    if (objective_ == Objective::kContext) {
      for (const auto& [c, f] : fitting_)
        out.kv_blocks = std::max(out.kv_blocks, most_blocks(p_, c, out.kv_blocks));
      keep([&](const Candidate& c, const Figures&) { return fits(p_, c, out.kv_blocks); });
      out.optimum_ns = out.value_ns = least(&Figures::answer);
      return out;
    }
    if (objective_ == Objective::kThroughput) {
      out.bottleneck_ns = least(&Figures::bottleneck);
      const int64_t cap = out.bottleneck_ns + out.bottleneck_ns / 100;
      keep([&](const Candidate&, const Figures& f) { return f.bottleneck <= cap; });
    }
    const auto aim = objective_ == Objective::kThroughput ? &Figures::step : &Figures::answer;
    out.optimum_ns = least(aim);
    const int64_t cap = out.optimum_ns + out.optimum_ns / 100;
    keep([&](const Candidate&, const Figures& f) { return f.*aim <= cap; });
    for (const auto& [c, f] : fitting_)
      out.kv_blocks = std::max(out.kv_blocks, most_blocks(p_, c, kv_blocks_of(p_.workload)));
    keep([&](const Candidate& c, const Figures&) { return fits(p_, c, out.kv_blocks); });
    out.value_ns = least(aim);
    return out;
  }

 private:
  void each(const std::function<void(const Candidate&)>& visit) {
    Enumerator(p_).each(precisions_, head_, visit);
  }
  int64_t least(int64_t Figures::*aim) const {
    int64_t best = kNone;
    for (const auto& [c, f] : fitting_) best = std::min(best, f.*aim);
    return best;
  }
  template <typename Keep>
  void keep(const Keep& wanted) {
    std::erase_if(fitting_, [&](const auto& item) { return !wanted(item.first, item.second); });
  }

  const PlanProblem& p_;
  const Objective objective_;
  const std::vector<Precision> precisions_;
  const Precision head_;
  std::vector<std::pair<Candidate, Figures>> fitting_;
};

// Every choice of precisions, as numbers in mixed radix.
template <typename Visit>
void each_profile(const PlanProblem& p, const Visit& visit) {
  std::vector<const PlanUnit*> units;
  for (const PlanUnit& layer : p.layers) units.push_back(&layer);
  units.push_back(&p.head);
  std::vector<std::map<Precision, UnitCost>::const_iterator> choice;
  for (const PlanUnit* unit : units) choice.push_back(unit->costs.begin());
  for (size_t u = 0; u < units.size();) {
    std::vector<Precision> precisions;
    for (const auto& it : choice) precisions.push_back(it->first);
    const Precision head = precisions.back();
    precisions.pop_back();
    visit(precisions, head);
    for (u = 0; u < units.size(); ++u) {
      if (++choice[u] != units[u]->costs.end()) break;
      choice[u] = units[u]->costs.begin();
    }
  }
}

// Least loss first, the objective second, room as asked.
BruteForce brute_force_mixed(const PlanProblem& p, Objective objective) {
  BruteForce out = {.loss = kNone};
  const int64_t blocks = kv_blocks_of(p.workload);
  std::vector<Figures> best;
  each_profile(p, [&](const std::vector<Precision>& precisions, Precision head) {
    const int64_t loss = loss_of(p, {.precisions = precisions, .head = head});
    if (loss > out.loss) return;
    Enumerator(p).each(precisions, head, [&](const Candidate& c) {
      if (!fits(p, c, blocks)) return;
      if (loss < out.loss) best.clear();
      out.loss = loss;
      best.push_back(figures(p, c));
    });
  });
  if (best.empty()) return {};
  out.fits = true;
  out.kv_blocks = blocks;
  auto aim = &Figures::answer;
  if (objective == Objective::kThroughput) {
    aim = &Figures::step;
    out.bottleneck_ns = kNone;
    for (const Figures& f : best) out.bottleneck_ns = std::min(out.bottleneck_ns, f.bottleneck);
    const int64_t cap = out.bottleneck_ns + out.bottleneck_ns / 100;
    std::erase_if(best, [&](const Figures& f) { return f.bottleneck > cap; });
  }
  out.value_ns = kNone;
  for (const Figures& f : best) out.value_ns = std::min(out.value_ns, f.*aim);
  out.optimum_ns = out.value_ns;
  return out;
}

}  // namespace

BruteForce brute_force(const PlanProblem& problem, Objective objective) {
  const BruteForce best =
      Optimum(problem, objective, std::vector<Precision>(problem.layers.size(), Precision::kBF16),
              Precision::kBF16)
          .solve();
  return best.fits || problem.precisions.size() == 1 ? best : brute_force_mixed(problem, objective);
}

}  // namespace tessera
