#pragma once

#include <string_view>

#include "checkpoint/pickle_value.h"

namespace tessera {

/// The function or storage class "module.name". Throws Error, without `where`, for every other.
PickleValue pickle_global(std::string_view module, std::string_view name);

/// What REDUCE yields for `function` called with `arguments`, a tuple: an empty OrderedDict, or a
/// description of a tensor. Throws Error, without `where`, when the arguments are not what
/// torch.save writes.
PickleValue pickle_call(const PickleValue& function, const PickleValue& arguments,
                        PickleHeap& heap);

/// What BINPERSID yields for the tuple ("storage", class, key, location, items).
PickleValue pickle_storage(const PickleValue& id, PickleHeap& heap);

}  // namespace tessera
