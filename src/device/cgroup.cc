#include "device/cgroup.h"

#include <algorithm>
#include <optional>
#include <sstream>
#include <vector>

#include "device/system_text.h"

namespace tessera {
namespace {

struct Mount {
  std::string root;   // the group that the mount shows at its top
  std::string point;  // where it is mounted
  bool version2;
};

/// This process's group for one controller: its folder, and the top of the mount above it.
struct Group {
  std::string folder, top;
  bool version2;
};

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, at);) parts.push_back(part);
  return parts;
}

bool lists(const std::string& comma_separated, const std::string& name) {
  const auto names = split(comma_separated, ',');
  return std::find(names.begin(), names.end(), name) != names.end();
}

// A line of mountinfo: id parent major:minor ROOT POINT options [tags] - TYPE source SUPER_OPTIONS.
// The controllers of version 1 stand among the super options.
std::optional<Mount> find_mount(const std::string& mountinfo, const std::string& controller) {
  std::optional<Mount> version2;
  for (const std::string& line : split(mountinfo, '\n')) {
    const size_t dash = line.find(" - ");
    if (dash == line.npos) continue;
    const auto head = split(line.substr(0, dash), ' '), tail = split(line.substr(dash + 3), ' ');
    if (head.size() < 5 || tail.size() < 3) continue;
    if (tail[0] == "cgroup" && lists(tail[2], controller)) return Mount{head[3], head[4], false};
    if (tail[0] == "cgroup2" && !version2) version2 = Mount{head[3], head[4], true};
  }
  return version2;
}

// A line of /proc/self/cgroup: number:controllers:path; version 2 has number 0 and no controllers.
std::optional<std::string> find_path(const std::string& groups, const std::string& controller,
                                     bool version2) {
  for (const std::string& line : split(groups, '\n')) {
    const size_t first = line.find(':');
    const size_t second = first == line.npos ? line.npos : line.find(':', first + 1);
    if (second == line.npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (version2 ? controllers.empty() : lists(controllers, controller))
      return line.substr(second + 1);
  }
  return std::nullopt;
}

std::optional<Group> find_group(const std::string& root, const std::string& controller) {
  const auto mountinfo = read_system_text(root + "/proc/self/mountinfo");
  const auto groups = read_system_text(root + "/proc/self/cgroup");
  if (!mountinfo || !groups) return std::nullopt;
  const auto mount = find_mount(*mountinfo, controller);
  if (!mount) return std::nullopt;
  const auto path = find_path(*groups, controller, mount->version2);
  if (!path) return std::nullopt;

  // In a container the mount's top may be the group itself, or lie outside of what is shown.
  const std::string above = mount->root == "/" ? "" : mount->root;
  const std::string below = path->starts_with(above) ? path->substr(above.size()) : "";
  const std::string top = root + mount->point;
  return Group{below.empty() || below == "/" ? top : top + below, top, mount->version2};
}

std::optional<int64_t> read_integer(const std::string& path) {
  const auto text = read_system_text(path);
  return text ? leading_integer(*text) : std::nullopt;  // "max" is no number
}

void add_memory_limit(const std::string& folder, bool version2, CgroupLimits& limits) {
  const auto limit = read_integer(folder + (version2 ? "/memory.max" : "/memory.limit_in_bytes"));
  constexpr int64_t kNoLimit = int64_t{1} << 60;  // version 1 writes 2^63 less a page
  if (!limit || *limit < 0 || *limit >= kNoLimit) return;
  const auto usage =
      read_integer(folder + (version2 ? "/memory.current" : "/memory.usage_in_bytes"));
  // Page cache counts as used, but the kernel drops its inactive part before it refuses memory;
  // after reading a checkpoint it would seem that nothing is left.
  const auto stat = read_system_text(folder + "/memory.stat");
  const auto cache =
      stat ? integer_after(*stat, version2 ? "inactive_file " : "total_inactive_file ")
           : std::nullopt;
  const int64_t used = std::max<int64_t>(0, usage.value_or(0) - cache.value_or(0));
  limits.memory_bytes = std::min(limits.memory_bytes, static_cast<uint64_t>(*limit));
  limits.available_bytes =
      std::min(limits.available_bytes, static_cast<uint64_t>(std::max<int64_t>(0, *limit - used)));
}

void add_cpu_limit(const std::string& folder, bool version2, CgroupLimits& limits) {
  std::optional<int64_t> quota, period;
  if (version2) {  // "200000 100000" or "max 100000"
    const std::string text = read_system_text(folder + "/cpu.max").value_or("");
    quota = leading_integer(text);
    period = leading_integer(std::string_view(text).substr(std::min(text.find(' '), text.size())));
  } else {
    quota = read_integer(folder + "/cpu.cfs_quota_us");  // -1: none
    period = read_integer(folder + "/cpu.cfs_period_us");
  }
  if (!quota || !period || *quota <= 0 || *period <= 0) return;
  const double cpus = static_cast<double>(*quota) / static_cast<double>(*period);
  limits.cpus = limits.cpus == 0 ? cpus : std::min(limits.cpus, cpus);
}

// A group is bound by its own limit and by those of all groups above it.
template <typename Add>
void for_each_group(const std::optional<Group>& group, const Add& add) {
  if (!group) return;
  for (std::string folder = group->folder; folder.size() >= group->top.size();
       folder.resize(folder.rfind('/')))
    add(folder, group->version2);
}

}  // namespace

CgroupLimits read_cgroup_limits(const std::string& root) {
  CgroupLimits limits;
  for_each_group(find_group(root, "memory"), [&](const std::string& folder, bool version2) {
    add_memory_limit(folder, version2, limits);
  });
  for_each_group(find_group(root, "cpu"), [&](const std::string& folder, bool version2) {
    add_cpu_limit(folder, version2, limits);
  });
  return limits;
}

}  // namespace tessera
