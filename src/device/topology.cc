#include "device/topology.h"

#include <hwloc.h>

#include <memory>

#include "tessera/error.h"

namespace tessera {
namespace {

struct FreeTopology {
  void operator()(hwloc_topology_t topology) const noexcept { hwloc_topology_destroy(topology); }
};
struct FreeBitmap {
  void operator()(hwloc_bitmap_t bitmap) const noexcept { hwloc_bitmap_free(bitmap); }
};
using Topology = std::unique_ptr<hwloc_topology, FreeTopology>;
using Bitmap = std::unique_ptr<hwloc_bitmap_s, FreeBitmap>;

Topology load(const std::string& synthetic) {
  hwloc_topology_t made = nullptr;
  const bool initialised = hwloc_topology_init(&made) == 0;
  Topology topology(initialised ? made : nullptr);
  const bool loaded =
      initialised &&
      (synthetic.empty() || hwloc_topology_set_synthetic(made, synthetic.c_str()) == 0) &&
      hwloc_topology_load(made) == 0;
  if (!loaded)
    throw Error({.where = "host", .what = "hwloc cannot read the processors of this machine"});
  return topology;
}

// The processors that this thread's affinity allows; all of a synthetic machine's.
Bitmap allowed_cpus(hwloc_topology_t topology) {
  Bitmap allowed(hwloc_bitmap_dup(hwloc_topology_get_allowed_cpuset(topology)));
  if (!allowed) throw std::bad_alloc();
  const Bitmap bound(hwloc_bitmap_alloc());
  if (hwloc_topology_is_thissystem(topology) != 0 && bound &&
      hwloc_get_cpubind(topology, bound.get(), HWLOC_CPUBIND_THREAD) == 0)
    hwloc_bitmap_and(allowed.get(), allowed.get(), bound.get());
  return allowed;
}

int count_of(hwloc_topology_t topology, hwloc_obj_type_t type) {
  const int count = hwloc_get_nbobjs_by_type(topology, type);
  return count > 0 ? count : 0;
}

uint64_t cache_bytes(hwloc_topology_t topology, hwloc_obj_type_t level) {
  const hwloc_obj_t cache = hwloc_get_obj_by_type(topology, level, 0);
  return cache == nullptr ? 0 : cache->attr->cache.size;
}

// The number of the object of this type that the processor sits in; 0 where the type is not known.
int number_above(hwloc_topology_t topology, hwloc_obj_type_t type, hwloc_obj_t processor) {
  const hwloc_obj_t above = hwloc_get_ancestor_obj_by_type(topology, type, processor);
  return above == nullptr ? 0 : static_cast<int>(above->logical_index);
}

int numa_node_of(hwloc_topology_t topology, hwloc_obj_t processor) {
  for (hwloc_obj_t node = hwloc_get_obj_by_type(topology, HWLOC_OBJ_NUMANODE, 0); node != nullptr;
       node = node->next_cousin)
    if (hwloc_bitmap_isset(node->cpuset, processor->os_index) != 0)
      return static_cast<int>(node->os_index);
  return 0;
}

}  // namespace

void read_topology(const std::string& synthetic, HostInfo& host) {
  const Topology loaded = load(synthetic);
  const hwloc_topology_t topology = loaded.get();

  const hwloc_obj_t package = hwloc_get_obj_by_type(topology, HWLOC_OBJ_PACKAGE, 0);
  const char* model = package ? hwloc_obj_get_info_by_name(package, "CPUModel") : nullptr;
  if (model != nullptr) host.processor = model;
  host.packages = count_of(topology, HWLOC_OBJ_PACKAGE);
  host.cores = count_of(topology, HWLOC_OBJ_CORE);
  host.threads = count_of(topology, HWLOC_OBJ_PU);
  host.l1_bytes = cache_bytes(topology, HWLOC_OBJ_L1CACHE);
  host.l2_bytes = cache_bytes(topology, HWLOC_OBJ_L2CACHE);
  host.l3_bytes = cache_bytes(topology, HWLOC_OBJ_L3CACHE);
  host.l3_count = count_of(topology, HWLOC_OBJ_L3CACHE);

  for (hwloc_obj_t node = hwloc_get_obj_by_type(topology, HWLOC_OBJ_NUMANODE, 0); node != nullptr;
       node = node->next_cousin)
    host.numa_nodes.push_back(
        {static_cast<int>(node->os_index), node->attr->numanode.local_memory});

  // Logical order: hyperthreads of a core, cores of a cache, caches of a package side by side.
  const Bitmap allowed = allowed_cpus(topology);
  for (hwloc_obj_t processor = hwloc_get_obj_by_type(topology, HWLOC_OBJ_PU, 0);
       processor != nullptr; processor = processor->next_cousin) {
    if (hwloc_bitmap_isset(allowed.get(), processor->os_index) == 0) continue;
    host.cpus.push_back({.index = static_cast<int>(processor->os_index),
                         .core = number_above(topology, HWLOC_OBJ_CORE, processor),
                         .package = number_above(topology, HWLOC_OBJ_PACKAGE, processor),
                         .numa_node = numa_node_of(topology, processor)});
  }
}

}  // namespace tessera
