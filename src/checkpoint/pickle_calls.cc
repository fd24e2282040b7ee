#include "checkpoint/pickle_calls.h"

#include <fmt/format.h>

#include <algorithm>

#include "checkpoint/tensor_entry.h"
#include "tessera/error.h"

namespace tessera {
namespace {

using Kind = PickleObject::Kind;

constexpr StorageType kStorageTypes[] = {
    {"FloatStorage", 4, DType::kF32},  {"BFloat16Storage", 2, DType::kBF16},
    {"HalfStorage", 2, DType::kF16},   {"IntStorage", 4, DType::kI32},
    {"LongStorage", 8, DType::kI64},   {"CharStorage", 1, DType::kI8},
    {"ByteStorage", 1, DType::kU8},    {"DoubleStorage", 8, std::nullopt},
    {"ShortStorage", 2, std::nullopt}, {"BoolStorage", 1, std::nullopt},
};

struct KnownFunction {
  std::string_view module, name;
  PickleFunction function;
};

constexpr KnownFunction kFunctions[] = {
    {"collections", "OrderedDict", PickleFunction::kOrderedDict},
    {"torch._utils", "_rebuild_tensor", PickleFunction::kRebuildTensor},
    {"torch._utils", "_rebuild_tensor_v2", PickleFunction::kRebuildTensorV2},
    {"torch._utils", "_rebuild_parameter", PickleFunction::kRebuildParameter},
};

// The key names an entry of the archive, so it is kept to what torch writes: a small number.
constexpr size_t kMaxKeyDigits = 18;

[[noreturn]] void refuse(std::string expected, const PickleValue& found) {
  throw Error({.expected = std::move(expected), .found = describe_pickle_value(found)});
}

template <typename T>
T expect(const PickleValue& value, const char* expected) {
  const T* held = std::get_if<T>(&value);
  if (held == nullptr) refuse(expected, value);
  return *held;
}

const std::vector<PickleValue>& expect_tuple(const PickleValue& value, const char* expected) {
  const auto* object = expect<PickleObject*>(value, expected);
  if (object->kind != Kind::kTuple) refuse(expected, value);
  return object->items;
}

void expect_empty_map(const PickleValue& value, const char* expected) {
  const auto* object = expect<PickleObject*>(value, expected);
  if (!object->is_map() || !object->items.empty()) refuse(expected, value);
}

int64_t expect_size(const PickleValue& value, const char* expected) {
  const auto size = expect<int64_t>(value, expected);
  if (size < 0) refuse(expected, value);
  return size;
}

std::vector<int64_t> expect_sizes(const PickleValue& value, const char* expected) {
  std::vector<int64_t> out;
  for (const PickleValue& item : expect_tuple(value, expected))
    out.push_back(expect_size(item, expected));
  return out;
}

// (storage, first item, shape, stride[, requires_grad, backward_hooks[, metadata]])
PickleValue rebuild_tensor(PickleFunction function, const std::vector<PickleValue>& arguments,
                           PickleHeap& heap) {
  PickledTensor tensor = {
      .name = "",
      .storage = *expect<const PickledStorage*>(arguments[0], "a storage"),
      .first_item = expect_size(arguments[1], "an offset into the storage"),
      .shape = expect_sizes(arguments[2], "a tuple of sizes"),
      .stride = expect_sizes(arguments[3], "a tuple of strides that are not negative")};
  if (tensor.shape.size() != tensor.stride.size() || tensor.shape.size() > kMaxTensorRank)
    throw Error(
        {.expected = fmt::format("a stride for each of at most {} sizes", kMaxTensorRank),
         .found = fmt::format("{} sizes, {} strides", tensor.shape.size(), tensor.stride.size())});
  if (function == PickleFunction::kRebuildTensorV2) {
    expect<bool>(arguments[4], "requires_grad, a bool");
    expect_empty_map(arguments[5], "no backward hooks");
    // Metadata carries bits that change the values: conjugate, negative.
    if (arguments.size() == 7 && !std::holds_alternative<std::monostate>(arguments[6]))
      expect_empty_map(arguments[6], "no tensor metadata");
  }
  return &heap.tensors.emplace_back(std::move(tensor));
}

}  // namespace

PickleValue pickle_global(std::string_view module, std::string_view name) {
  for (const KnownFunction& known : kFunctions)
    if (known.module == module && known.name == name) return known.function;
  if (module == "torch")
    for (const StorageType& type : kStorageTypes)
      if (type.name == name) return &type;
  throw Error({.expected = "a function or class that tensor files need",
               .found = fmt::format("{}.{}", module.substr(0, 60), name.substr(0, 60)),
               .hint = "a pickle can name any code; Tessera runs none of it"});
}

PickleValue pickle_call(const PickleValue& function, const PickleValue& arguments,
                        PickleHeap& heap) {
  const auto known = expect<PickleFunction>(function, "a function that tensor files call");
  const std::vector<PickleValue>& given = expect_tuple(arguments, "a tuple of arguments");
  const auto expect_count = [&](size_t least, size_t most) {
    if (given.size() < least || given.size() > most)
      refuse(fmt::format("{} to {} arguments for {}", least, most, describe_pickle_value(function)),
             arguments);
  };
  switch (known) {
    case PickleFunction::kOrderedDict:
      expect_count(0, 0);
      return &heap.objects.emplace_back(PickleObject{.kind = Kind::kOrderedDict});
    case PickleFunction::kRebuildTensor:
      expect_count(4, 4);
      return rebuild_tensor(known, given, heap);
    case PickleFunction::kRebuildTensorV2:
      expect_count(6, 7);
      return rebuild_tensor(known, given, heap);
    case PickleFunction::kRebuildParameter:
      expect_count(3, 3);
      expect<bool>(given[1], "requires_grad, a bool");
      expect_empty_map(given[2], "no backward hooks");
      return expect<const PickledTensor*>(given[0], "a tensor");
  }
  refuse("a function that tensor files call", function);
}

PickleValue pickle_storage(const PickleValue& id, PickleHeap& heap) {
  constexpr const char* kExpected = "(\"storage\", class, key, location, items)";
  const std::vector<PickleValue>& parts = expect_tuple(id, kExpected);
  if (parts.size() != 5 || expect<std::string_view>(parts[0], kExpected) != "storage")
    refuse(kExpected, id);
  const auto* type = expect<const StorageType*>(parts[1], "a storage class");
  const auto key = expect<std::string_view>(parts[2], "a storage key");
  if (key.empty() || key.size() > kMaxKeyDigits ||
      !std::ranges::all_of(key, [](char c) { return c >= '0' && c <= '9'; }))
    refuse("a storage key of digits", parts[2]);
  expect<std::string_view>(parts[3], "a storage location");  // "cpu", "cuda:0": of no concern
  const int64_t items = expect_size(parts[4], "the number of items in a storage");
  return &heap.storages.emplace_back(
      PickledStorage{.type = type, .key = std::string(key), .items = items});
}

std::string describe_pickle_value(const PickleValue& value) {
  struct Describe {
    std::string operator()(std::monostate) const { return "None"; }
    std::string operator()(bool b) const { return b ? "True" : "False"; }
    std::string operator()(int64_t n) const { return fmt::format("int {}", n); }
    std::string operator()(double x) const { return fmt::format("float {}", x); }
    std::string operator()(std::string_view s) const {
      return fmt::format("\"{}\"", s.substr(0, 60));
    }
    std::string operator()(PickleFunction f) const {
      const auto* it = std::ranges::find(kFunctions, f, &KnownFunction::function);
      return fmt::format("{}.{}", it->module, it->name);
    }
    std::string operator()(const StorageType* type) const {
      return fmt::format("torch.{}", type->name);
    }
    std::string operator()(const PickledStorage*) const { return "a storage"; }
    std::string operator()(const PickledTensor*) const { return "a tensor"; }
    std::string operator()(const PickleObject* object) const {
      const bool map = object->is_map();
      return fmt::format("a {} of {}",
                         map                            ? "dict"
                         : object->kind == Kind::kTuple ? "tuple"
                                                        : "list",
                         object->items.size() / (map ? 2 : 1));
    }
  };
  return std::visit(Describe{}, value);
}

}  // namespace tessera
