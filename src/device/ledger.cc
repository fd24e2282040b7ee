#include "device/ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/units.h"
#include "tessera/error.h"

namespace tessera {
namespace {

std::string_view name_of(MemoryKind kind) {
  return kMemoryKindNames[static_cast<size_t>(kind)];
}

uint64_t sum_of(const std::vector<Ledger::Entry>& entries, MemoryKind kind) {
  uint64_t bytes = 0;
  for (const Ledger::Entry& e : entries)
    if (e.kind == kind) bytes += e.bytes;
  return bytes;
}

// "weights 20.0 MiB, kv 4.0 MiB"; empty when there are none.
std::string describe_kinds(const BytesByKind& bytes) {
  std::string text;
  for (size_t kind = 0; kind < bytes.size(); ++kind)
    if (bytes[kind] > 0)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", kMemoryKindNames[kind],
                          format_bytes(bytes[kind]));
  return text;
}

// "40.0 MiB: weights 20.0 MiB, kv 4.0 MiB"
std::string describe_use(uint64_t budget_bytes, const std::vector<Ledger::Entry>& entries) {
  BytesByKind bytes = {};
  for (const Ledger::Entry& e : entries) bytes[static_cast<size_t>(e.kind)] += e.bytes;
  const std::string kinds = describe_kinds(bytes);
  return format_bytes(budget_bytes) + (kinds.empty() ? "" : ": " + kinds);
}

template <typename Entries>
auto find_entry(Entries& entries, MemoryKind kind, std::string_view owner) {
  return std::find_if(entries.begin(), entries.end(),
                      [&](const Ledger::Entry& e) { return e.kind == kind && e.owner == owner; });
}

}  // namespace

std::string describe_request(MemoryKind kind, std::string_view owner) {
  return fmt::format("{} of {}", name_of(kind), owner);
}

Ledger::Ledger(std::string device, uint64_t budget_bytes)
    : device_(std::move(device)), budget_bytes_(budget_bytes) {}

void Ledger::charge(MemoryKind kind, std::string_view owner, uint64_t bytes) {
  if (bytes == 0) return;
  const std::lock_guard lock(mutex_);
  const uint64_t free = budget_bytes_ - used_;
  if (bytes > free)
    throw Error({.where = device_,
                 .what = describe_request(kind, owner),
                 .expected = fmt::format("at most {} (what is free of {})", format_bytes(free),
                                         describe_use(budget_bytes_, entries_)),
                 .found = fmt::format("{} wanted, {} too much", format_bytes(bytes),
                                      format_bytes(bytes - free)),
                 .hint = "give the device more memory, or ask for a smaller context, a lower "
                         "precision or more devices"});
  const auto entry = find_entry(entries_, kind, owner);
  if (entry != entries_.end()) {
    entry->bytes += bytes;
  } else {
    entries_.push_back({std::string(owner), kind, bytes});
  }
  used_ += bytes;
  peak_ = std::max(peak_, used_);
}

void Ledger::release(MemoryKind kind, std::string_view owner, uint64_t bytes) noexcept {
  if (bytes == 0) return;
  const std::lock_guard lock(mutex_);
  const auto entry = find_entry(entries_, kind, owner);
  assert(entry != entries_.end() && entry->bytes >= bytes);
  if (entry == entries_.end()) return;
  entry->bytes -= bytes;
  used_ -= bytes;
  if (entry->bytes == 0) entries_.erase(entry);
}

void Ledger::set_planned(const BytesByKind& bytes) {
  const std::lock_guard lock(mutex_);
  planned_ = bytes;
}

std::string Ledger::describe_planned() const {
  const std::lock_guard lock(mutex_);
  const std::string kinds = describe_kinds(planned_);
  return kinds.empty() ? "" : "planned are " + kinds;
}

uint64_t Ledger::used_bytes() const {
  const std::lock_guard lock(mutex_);
  return used_;
}

uint64_t Ledger::peak_bytes() const {
  const std::lock_guard lock(mutex_);
  return peak_;
}

uint64_t Ledger::used_bytes(MemoryKind kind) const {
  const std::lock_guard lock(mutex_);
  return sum_of(entries_, kind);
}

std::vector<Ledger::Entry> Ledger::entries() const {
  std::unique_lock lock(mutex_);
  std::vector<Entry> sorted = entries_;
  lock.unlock();
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Entry& a, const Entry& b) { return a.bytes > b.bytes; });
  return sorted;
}

}  // namespace tessera
