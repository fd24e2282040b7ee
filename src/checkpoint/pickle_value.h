#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tensor/dtype.h"

namespace tessera {

/// A torch storage class that a pickle may name.
struct StorageType {
  std::string_view name;  ///< in module torch: "BFloat16Storage"
  int64_t item_bytes;
  std::optional<DType> dtype;  ///< empty: known to torch, not to Tessera
};

/// Another entry of the archive, data/<key>, that holds `items` numbers.
struct PickledStorage {
  const StorageType* type;  ///< from a constant table
  std::string key;          ///< digits
  int64_t items;
};

/// A rectangle of a storage, as the pickle describes it; sizes are not negative, nothing else is
/// checked yet.
struct PickledTensor {
  std::string name;
  PickledStorage storage;
  int64_t first_item;                  ///< where in the storage the tensor begins
  std::vector<int64_t> shape, stride;  ///< of the same length; strides in items
};

/// The functions that a pickle may name. They are never looked up anywhere: a name is only ever
/// compared with these, and what a call to one means is written in pickle_calls.cc.
enum class PickleFunction : uint8_t {
  kOrderedDict,       ///< collections.OrderedDict
  kRebuildTensor,     ///< torch._utils._rebuild_tensor, by torch before 1.0
  kRebuildTensorV2,   ///< torch._utils._rebuild_tensor_v2
  kRebuildParameter,  ///< torch._utils._rebuild_parameter
};

struct PickleObject;

/// What lies on the unpickler's stack. Text views the pickle; pointers view the unpickler's own
/// pools, so a value may occur in itself without anybody owning it twice.
using PickleValue =
    std::variant<std::monostate /* None */, bool, int64_t, double, std::string_view, PickleFunction,
                 const StorageType*, const PickledStorage*, const PickledTensor*, PickleObject*>;

struct PickleObject {
  enum class Kind : uint8_t { kTuple, kList, kDict, kOrderedDict };

  Kind kind;
  std::vector<PickleValue> items = {};  ///< of a dict: key, value, key, value
  bool frozen = false;                  ///< was used as an attribute; may not change any more
  bool built = false;                   ///< has had its BUILD

  bool is_map() const { return kind == Kind::kDict || kind == Kind::kOrderedDict; }
};

/// Owns what the values point to; addresses stay.
struct PickleHeap {
  std::deque<PickleObject> objects;
  std::deque<PickledStorage> storages;
  std::deque<PickledTensor> tensors;
};

/// As an error shows it: "a tuple of 3", "int 7", "collections.OrderedDict".
std::string describe_pickle_value(const PickleValue& value);

}  // namespace tessera
