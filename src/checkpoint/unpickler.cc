#include "checkpoint/unpickler.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <set>
#include <unordered_map>

#include "checkpoint/byte_source.h"
#include "checkpoint/pickle_calls.h"
#include "tessera/error.h"

namespace tessera {
namespace {

using Kind = PickleObject::Kind;

enum class Opcode : uint8_t {
  kMark = '(',
  kStop = '.',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kNone = 'N',
  kBinPersId = 'Q',
  kReduce = 'R',
  kBinUnicode = 'X',
  kEmptyList = ']',
  kAppend = 'a',
  kBuild = 'b',
  kGlobal = 'c',
  kAppends = 'e',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kSetItem = 's',
  kTuple = 't',
  kSetItems = 'u',
  kEmptyDict = '}',
  kEmptyTuple = ')',
  kBinFloat = 'G',
  kProto = 0x80,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8a,
};

[[noreturn]] void refuse(std::string what, std::string expected, std::string found) {
  throw Error(
      {.what = std::move(what), .expected = std::move(expected), .found = std::move(found)});
}

bool is_plain(const PickleValue& value) {
  return std::holds_alternative<std::monostate>(value) || std::holds_alternative<bool>(value) ||
         std::holds_alternative<int64_t>(value) || std::holds_alternative<double>(value) ||
         std::holds_alternative<std::string_view>(value);
}

class Unpickler {
 public:
  Unpickler(std::string_view pickle, const std::string& where)
      : reader_(pickle, where, "data.pkl") {}

  /// The value on the stack at STOP. Errors come without the place.
  PickleValue run() {
    if (reader_.u8() != static_cast<uint8_t>(Opcode::kProto) || reader_.u8() != 2)
      refuse("", "a pickle of protocol 2", "another beginning");
    for (size_t count = 0; count < PickleLimits::kInstructions; ++count) {
      at_ = reader_.position();
      const auto opcode = static_cast<Opcode>(reader_.u8());
      if (opcode == Opcode::kStop) return finish();
      step(opcode);
    }
    refuse("", fmt::format("at most {} instructions", PickleLimits::kInstructions), "more");
  }

  /// The byte where the instruction in hand begins.
  size_t at() const { return at_; }

 private:
  PickleValue finish() {
    const PickleValue result = pop();
    if (!stack_.empty() || !marks_.empty()) refuse("STOP", "one value on the stack", "more");
    if (reader_.left() != 0)
      refuse("STOP", "the end", fmt::format("{} more bytes", reader_.left()));
    return result;
  }

  void step(Opcode opcode) {
    switch (opcode) {
      case Opcode::kMark:
        if (marks_.size() >= PickleLimits::kStack) refuse("MARK", "a shallow stack", "a deep one");
        return marks_.push_back(stack_.size());
      case Opcode::kNone:
        return push(std::monostate());
      case Opcode::kNewTrue:
        return push(true);
      case Opcode::kNewFalse:
        return push(false);
      case Opcode::kBinInt:
        return push(int64_t{static_cast<int32_t>(reader_.u32())});
      case Opcode::kBinInt1:
        return push(int64_t{reader_.u8()});
      case Opcode::kBinInt2:
        return push(int64_t{reader_.u16()});
      case Opcode::kLong1:
        return push(read_long());
      case Opcode::kBinFloat:
        return push(read_float());
      case Opcode::kBinUnicode:
        return push(read_text());
      case Opcode::kGlobal:
        return push(read_global());
      case Opcode::kBinPersId:
        return push(pickle_storage(pop(), heap_));
      case Opcode::kEmptyTuple:
        return push(make(Kind::kTuple, {}));
      case Opcode::kTuple1:
        return push(make(Kind::kTuple, pop_last(1)));
      case Opcode::kTuple2:
        return push(make(Kind::kTuple, pop_last(2)));
      case Opcode::kTuple3:
        return push(make(Kind::kTuple, pop_last(3)));
      case Opcode::kTuple:
        return push(make(Kind::kTuple, pop_to_mark()));
      case Opcode::kEmptyList:
        return push(make(Kind::kList, {}));
      case Opcode::kEmptyDict:
        return push(make(Kind::kDict, {}));
      case Opcode::kAppend:
        return append(pop_last(1));
      case Opcode::kAppends:
        return append(pop_to_mark());
      case Opcode::kSetItem:
        return set_items(pop_last(2));
      case Opcode::kSetItems:
        return set_items(pop_to_mark());
      case Opcode::kReduce: {
        const PickleValue arguments = pop();
        return push(pickle_call(pop(), arguments, heap_));
      }
      case Opcode::kBuild:
        return build(pop());
      case Opcode::kBinPut:
        return put(reader_.u8());
      case Opcode::kLongBinPut:
        return put(reader_.u32());
      case Opcode::kBinGet:
        return get(reader_.u8());
      case Opcode::kLongBinGet:
        return get(reader_.u32());
      case Opcode::kProto:
      case Opcode::kStop:
        break;
    }
    throw Error({.expected = "an instruction that tensor files use",
                 .found = fmt::format("opcode {:#04x}", static_cast<unsigned>(opcode)),
                 .hint = "a pickle can run any code; Tessera runs none of it"});
  }

  // ---- stack: pops stop at the last mark, as in Python's own unpickler

  void push(PickleValue value) {
    if (stack_.size() >= PickleLimits::kStack) refuse("", "a shallow stack", "a deep one");
    stack_.push_back(value);
  }

  void expect_values(size_t count) const {
    const size_t floor = marks_.empty() ? 0 : marks_.back();
    if (stack_.size() - floor < count)
      refuse("stack", fmt::format("{} values", count), fmt::format("{}", stack_.size() - floor));
  }

  PickleValue top() const {
    expect_values(1);
    return stack_.back();
  }

  PickleValue pop() {
    const PickleValue value = top();
    stack_.pop_back();
    return value;
  }

  std::vector<PickleValue> pop_last(size_t count) {
    expect_values(count);
    const auto begin = stack_.end() - static_cast<ptrdiff_t>(count);
    std::vector<PickleValue> out(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    return out;
  }

  std::vector<PickleValue> pop_to_mark() {
    if (marks_.empty()) refuse("stack", "a mark", "none");
    std::vector<PickleValue> out = pop_last(stack_.size() - marks_.back());
    marks_.pop_back();
    return out;
  }

  // The container on top of the stack, which may still change.
  PickleObject& top_object(bool map, const char* expected) {
    const PickleValue value = top();
    auto* const* object = std::get_if<PickleObject*>(&value);
    if (object == nullptr || (map ? !(*object)->is_map() : (*object)->kind != Kind::kList) ||
        (*object)->frozen)
      refuse("", expected, describe_pickle_value(value));
    return **object;
  }

  PickleValue make(Kind kind, std::vector<PickleValue> items) {
    return &heap_.objects.emplace_back(PickleObject{.kind = kind, .items = std::move(items)});
  }

  // ---- literals

  int64_t read_long() {
    const uint8_t count = reader_.u8();
    if (count > 8) refuse("LONG1", "at most 8 bytes", fmt::format("{}", count));
    uint64_t value = 0;
    uint8_t last = 0;
    for (unsigned i = 0; i < count; ++i) {
      last = reader_.u8();
      value |= uint64_t{last} << (8 * i);
    }
    if (count < 8 && last >= 0x80) value |= ~uint64_t{0} << (8 * count);
    return static_cast<int64_t>(value);
  }

  double read_float() {
    uint64_t bits = 0;
    for (int i = 0; i < 8; ++i) bits = bits << 8 | reader_.u8();  // the one big-endian number
    return std::bit_cast<double>(bits);
  }

  std::string_view read_text() {
    const uint32_t count = reader_.u32();
    if (count > PickleLimits::kTextBytes)
      refuse("BINUNICODE", fmt::format("at most {} bytes", PickleLimits::kTextBytes),
             fmt::format("{}", count));
    return reader_.take(count);
  }

  PickleValue read_global() {
    const std::string_view module = read_line();
    return pickle_global(module, read_line());
  }

  std::string_view read_line() {
    const std::string_view rest = reader_.peek();
    const size_t length = rest.substr(0, 256).find('\n');
    if (length == std::string_view::npos) refuse("GLOBAL", "a name that ends", "a long one");
    return reader_.take(length + 1).substr(0, length);
  }

  // ---- containers

  void append(std::vector<PickleValue> items) {
    PickleObject& list = top_object(false, "a list to append to");
    list.items.insert(list.items.end(), items.begin(), items.end());
  }

  void set_items(std::vector<PickleValue> items) {
    PickleObject& map = top_object(true, "a dict to set items of");
    if (items.size() % 2 != 0) refuse("SETITEMS", "keys with values", "an odd number");
    map.items.insert(map.items.end(), items.begin(), items.end());
  }

  // state_dict() leaves the attribute _metadata on its OrderedDict. Tessera has no use for it, but
  // nothing else may hide in it, and each object is looked at once however often it is reached.
  void build(const PickleValue& state) {
    PickleObject& object = top_object(true, "an OrderedDict to set attributes of");
    auto* const* map = std::get_if<PickleObject*>(&state);
    if (object.kind != Kind::kOrderedDict || object.built || map == nullptr || !(*map)->is_map())
      refuse("BUILD", "an OrderedDict and, once, its attributes", describe_pickle_value(state));
    object.built = true;

    std::vector<PickleValue> open = {state};
    while (!open.empty()) {
      const PickleValue value = open.back();
      open.pop_back();
      if (auto* const* inner = std::get_if<PickleObject*>(&value)) {
        if ((*inner)->frozen) continue;
        (*inner)->frozen = true;
        open.insert(open.end(), (*inner)->items.begin(), (*inner)->items.end());
      } else if (!is_plain(value)) {
        refuse("BUILD", "plain attributes", describe_pickle_value(value));
      }
    }
  }

  // ---- memo

  void put(uint32_t slot) {
    if (slot >= PickleLimits::kMemo || !memo_.emplace(slot, top()).second)
      refuse("memo", fmt::format("each slot below {} once", PickleLimits::kMemo),
             fmt::format("{}", slot));
  }

  void get(uint32_t slot) {
    const auto it = memo_.find(slot);
    if (it == memo_.end()) refuse("memo", "a slot that was filled", fmt::format("{}", slot));
    push(it->second);
  }

  ByteReader reader_;
  size_t at_ = 0;
  PickleHeap heap_;
  std::vector<PickleValue> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint32_t, PickleValue> memo_;
};

// The dict of tensors: the top one, or the one that a training script wrapped in it.
const PickleObject& state_dict(const PickleValue& top) {
  auto* const* object = std::get_if<PickleObject*>(&top);
  if (object == nullptr || !(*object)->is_map())
    refuse("top", "a dict of tensors", describe_pickle_value(top));
  const std::vector<PickleValue>& items = (*object)->items;
  for (size_t i = 0; i < items.size(); i += 2) {
    const auto* key = std::get_if<std::string_view>(&items[i]);
    auto* const* inner = std::get_if<PickleObject*>(&items[i + 1]);
    if (key != nullptr && (*key == "state_dict" || *key == "model") && inner != nullptr &&
        (*inner)->is_map())
      return **inner;
  }
  return **object;
}

// Names end up in messages and in plans: what Python accepts as an attribute path, in ASCII.
std::string tensor_name(const PickleValue& key) {
  const auto* text = std::get_if<std::string_view>(&key);
  const auto printable = [](char c) { return c > ' ' && c <= '~'; };
  if (text == nullptr || text->empty() || text->size() > 1024 ||
      !std::all_of(text->begin(), text->end(), printable))
    refuse("top", "a tensor's name, printable ASCII", describe_pickle_value(key));
  return std::string(*text);
}

std::vector<PickledTensor> named_tensors(const PickleObject& dict) {
  std::vector<PickledTensor> out;
  std::set<std::string> names;
  for (size_t i = 0; i < dict.items.size(); i += 2) {
    const std::string name = tensor_name(dict.items[i]);
    const auto* tensor = std::get_if<const PickledTensor*>(&dict.items[i + 1]);
    if (tensor == nullptr) refuse(name, "a tensor", describe_pickle_value(dict.items[i + 1]));
    if (!names.insert(name).second) refuse(name, "each name once", "it twice");
    out.push_back(**tensor);
    out.back().name = name;
  }
  return out;
}

}  // namespace

std::vector<PickledTensor> unpickle_tensors(std::string_view pickle, const std::string& where) {
  if (pickle.size() > PickleLimits::kBytes)
    throw Error({.where = where,
                 .what = "data.pkl",
                 .expected = fmt::format("at most {} bytes", PickleLimits::kBytes),
                 .found = fmt::format("{}", pickle.size())});
  Unpickler unpickler(pickle, where);
  try {
    return named_tensors(state_dict(unpickler.run()));
  } catch (const Error& e) {
    if (!e.parts().where.empty()) throw;
    ErrorParts parts = e.parts();
    parts.where = where;
    parts.what = fmt::format("data.pkl, byte {}{}{}", unpickler.at(),
                             parts.what.empty() ? "" : ", ", parts.what);
    throw Error(std::move(parts));
  }
}

}  // namespace tessera
