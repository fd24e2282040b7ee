#include "checkpoint/unpickler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/checkpoint/pickle_builder.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using namespace pickle;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::string pickle_refusal(const std::string& bytes) {
  return error_of([&] { unpickle_tensors(bytes, "f.bin"); });
}

// The pickle of one value on the stack: a dict with it as "v".
std::string with(const std::string& value) {
  return dict({{"v", value}});
}

TEST(Unpickler, DescribesTensorsInOrder) {
  const auto tensors =
      unpickle_tensors(dict({{"b", tensor(storage("BFloat16Storage", "7", 40), 8, {4, 2}, {2, 1})},
                             {"a", small_tensor()}}),
                       "f.bin");
  ASSERT_EQ(tensors.size(), 2U);
  EXPECT_EQ(tensors[0].name, "b");
  EXPECT_EQ(tensors[0].storage.type->name, "BFloat16Storage");
  EXPECT_EQ(tensors[0].storage.key, "7");
  EXPECT_EQ(tensors[0].storage.items, 40);
  EXPECT_EQ(tensors[0].first_item, 8);
  EXPECT_THAT(tensors[0].shape, ElementsAre(4, 2));
  EXPECT_THAT(tensors[0].stride, ElementsAre(2, 1));
  EXPECT_EQ(tensors[1].name, "a");
}

TEST(Unpickler, TakesEveryFormOfTensorThatTorchHasWritten) {
  const std::string s = storage("HalfStorage", "0", 3);
  const std::string oldest = global("torch._utils", "_rebuild_tensor") +
                             tuple({s, integer(0), sizes({3}), sizes({1})}) + "R";
  const std::string metadata =
      global("torch._utils", "_rebuild_tensor_v2") +
      tuple({s, integer(0), sizes({3}), sizes({1}), "\x88", ordered_dict(), "}"}) + "R";
  const std::string parameter = global("torch._utils", "_rebuild_parameter") +
                                tuple({small_tensor(), "\x88", ordered_dict()}) + "R";
  for (const std::string& form : {oldest, metadata, parameter})
    EXPECT_EQ(unpickle_tensors(with(form), "f").size(), 1U);
}

TEST(Unpickler, ReadsEveryIntegerForm) {
  const auto first_of = [](const std::string& number) {
    const std::string t = global("torch._utils", "_rebuild_tensor") +
                          tuple({storage("ByteStorage", "0", 3), number, ")", ")"}) + "R";
    return unpickle_tensors(with(t), "f")[0].first_item;
  };
  EXPECT_EQ(first_of("K\xff"), 255);
  EXPECT_EQ(first_of("M\x01\xff"), 0xff01);
  EXPECT_EQ(first_of(std::string("J\x01\x02\x03\x04")), 0x04030201);
  EXPECT_EQ(first_of(std::string("\x8a\x05\0\0\0\0\x01", 7)), int64_t{1} << 32);
  EXPECT_EQ(first_of(std::string("\x8a\0", 2)), 0);
  EXPECT_EQ(first_of(integer(INT64_MAX)), INT64_MAX);
  EXPECT_THAT(error_of([&] { first_of("J\xff\xff\xff\xff"); }), HasSubstr("found int -1"));
  EXPECT_THAT(error_of([&] { first_of("\x8a\x01\xff"); }), HasSubstr("found int -1"));
  EXPECT_THAT(error_of([&] {
                first_of(
                    "\x8a\x09"
                    "123456789");
              }),
              HasSubstr("at most 8 bytes"));
}

TEST(Unpickler, NamesFileByteAndWhatIsRefused) {
  EXPECT_EQ(pickle_refusal(kBegin + global("os", "system") + kEnd),
            "f.bin: data.pkl, byte 2: expected a function or class that tensor files need, found "
            "os.system (a pickle can name any code; Tessera runs none of it)");
}

TEST(Unpickler, RefusesEveryOtherGlobal) {
  const std::pair<const char*, const char*> globals[] = {
      {"os", "system"},
      {"posix", "system"},
      {"nt", "system"},
      {"subprocess", "Popen"},
      {"builtins", "eval"},
      {"builtins", "exec"},
      {"__builtin__", "eval"},
      {"builtins", "getattr"},
      {"runpy", "_run_code"},
      {"torch", "load"},
      {"torch.hub", "load"},
      {"numpy", "load"},
      {"torch.utils.collect_env", "run"},
      {"multiprocessing.util", "spawnv_passfds"},
      {"mlflow.projects.backend.local", "_run_entry_point"},
      {"pandas", "read_csv"},
      {"torch.serialization", "load"},
      {"torch._utils", "_rebuild_sparse_tensor"},
      {"torch._utils", "_rebuild_tensor_v3"},
      {"torch", "FloatTensor"},
      {"torch", "Storage"},
      {"torch", "UntypedStorage"},
      {"torch", ""},
      {"", "FloatStorage"},
      {"collections", "deque"},
      {"collections", "ordereddict"},
      {"torch._utils ", "_rebuild_tensor_v2"},
      {"torch.FloatStorage", ""}};
  for (const auto& [module, name] : globals) {
    EXPECT_THAT(pickle_refusal(kBegin + global(module, name) + kEnd),
                HasSubstr("expected a function or class that tensor files need"))
        << module << " " << name;
    // Deep inside a tensor's arguments, where a scanner may stop looking.
    EXPECT_THAT(pickle_refusal(with(global("torch._utils", "_rebuild_tensor_v2") + "((" +
                                    global(module, name) + text("id") + "\x85R")),
                HasSubstr("tensor files need"));
  }
}

TEST(Unpickler, RefusesEveryOpcodeNotListed) {
  const std::string listed = "(.JKMNQRX]abcehjqrstu})G\x80\x85\x86\x87\x88\x89\x8a";
  int refused = 0;
  for (int opcode = 0; opcode < 256; ++opcode) {
    const auto byte = static_cast<char>(opcode);
    if (listed.find(byte) != listed.npos) continue;
    EXPECT_THAT(pickle_refusal(kBegin + byte + std::string(16, '\0') + kEnd),
                HasSubstr("expected an instruction that tensor files use, found opcode 0x"));
    ++refused;
  }
  EXPECT_EQ(refused, 256 - 31);
  EXPECT_THAT(pickle_refusal(kBegin + "\x80\x02" + kEnd), HasSubstr("found opcode 0x80"));
}

TEST(Unpickler, RefusesWhatIsNotOneWholePickleOfProtocol2) {
  const std::string good = with(small_tensor());
  EXPECT_EQ(pickle_refusal(good), "no error");
  EXPECT_THAT(pickle_refusal(""), HasSubstr("truncated or damaged?"));
  EXPECT_THAT(pickle_refusal("}."), HasSubstr("a pickle of protocol 2"));
  EXPECT_THAT(pickle_refusal("\x80\x04" + good.substr(2)), HasSubstr("a pickle of protocol 2"));
  EXPECT_THAT(pickle_refusal(good + "x"), HasSubstr("STOP: expected the end, found 1 more bytes"));
  EXPECT_THAT(pickle_refusal(good + good), HasSubstr("STOP: expected the end"));
  EXPECT_THAT(pickle_refusal(kBegin + "}}."), HasSubstr("one value on the stack"));
  EXPECT_THAT(pickle_refusal(kBegin + "(}."), HasSubstr("one value on the stack"));
  for (size_t length = 0; length < good.size(); ++length)
    EXPECT_NE(pickle_refusal(good.substr(0, length)), "no error") << length;
}

TEST(Unpickler, RefusesStackUnderflow) {
  for (const char* code : {".", "R", "Q", "b", "a", "e", "s", "u", "t", "\x85", "\x86", "\x87",
                           "q\x01", "(.", "(\x85.", "N\x86.", "}(s.", "}N(u."})
    EXPECT_THAT(pickle_refusal(kBegin + code), Not("no error")) << code;
  // A mark hides what lies below it.
  EXPECT_THAT(pickle_refusal(kBegin + "NN(\x86."), HasSubstr("stack: expected 2 values, found 0"));
}

TEST(Unpickler, RefusesWrongKindsOfContainers) {
  EXPECT_THAT(pickle_refusal(kBegin + "]NNs."),
              HasSubstr("a dict to set items of, found a list of 0"));
  EXPECT_THAT(pickle_refusal(kBegin + ")(NNu."),
              HasSubstr("a dict to set items of, found a tuple of 0"));
  EXPECT_THAT(pickle_refusal(kBegin + "NNNs."), HasSubstr("a dict to set items of, found None"));
  EXPECT_THAT(pickle_refusal(kBegin + "}Na."), HasSubstr("a list to append to, found a dict of 0"));
  EXPECT_THAT(pickle_refusal(kBegin + "}(NNNu."), HasSubstr("keys with values"));
  EXPECT_THAT(pickle_refusal(kBegin + "]."), HasSubstr("top: expected a dict of tensors"));
  EXPECT_THAT(pickle_refusal(with("N")), HasSubstr("v: expected a tensor, found None"));
  EXPECT_THAT(pickle_refusal(kBegin + "}N" + small_tensor() + "s."), HasSubstr("a tensor's name"));
  EXPECT_THAT(pickle_refusal(dict({{"a\n", small_tensor()}})), HasSubstr("printable ASCII"));
  EXPECT_THAT(pickle_refusal(dict({{"a", small_tensor()}, {"a", small_tensor()}})),
              HasSubstr("a: expected each name once"));
}

TEST(Unpickler, RefusesCallsWithOtherArguments) {
  const std::string v2 = global("torch._utils", "_rebuild_tensor_v2");
  const std::string s = storage("FloatStorage", "0", 3), od = ordered_dict();
  const std::pair<std::string, const char*> calls[] = {
      {"N)R", "a function that tensor files call, found None"},
      {text("os.system") + ")R", "a function that tensor files call, found \"os.system\""},
      {global("torch", "FloatStorage") + ")R", "tensor files call, found torch.FloatStorage"},
      {global("collections", "OrderedDict") + "NR", "a tuple of arguments, found None"},
      {global("collections", "OrderedDict") + "]\x85R", "0 to 0 arguments for collections."},
      {v2 + ")R", "6 to 7 arguments for torch._utils._rebuild_tensor_v2, found a tuple of 0"},
      {v2 + tuple({"N", integer(0), ")", ")", "\x89", od}) + "R", "a storage, found None"},
      {v2 + tuple({s, "\x89", ")", ")", "\x89", od}) + "R", "an offset into the storage"},
      {v2 + tuple({s, integer(-1), ")", ")", "\x89", od}) + "R", "found int -1"},
      {v2 + tuple({s, integer(0), "]", ")", "\x89", od}) + "R", "a tuple of sizes"},
      {v2 + tuple({s, integer(0), sizes({-3}), sizes({1}), "\x89", od}) + "R", "found int -3"},
      {v2 + tuple({s, integer(0), sizes({3}), sizes({-1}), "\x89", od}) + "R", "not negative"},
      {v2 + tuple({s, integer(0), sizes({3}), sizes({1, 1}), "\x89", od}) + "R",
       "found 1 sizes, 2 strides"},
      {v2 +
           tuple({s, integer(0), sizes({1, 1, 1, 1, 1, 1, 1, 1, 1}),
                  sizes({1, 1, 1, 1, 1, 1, 1, 1, 1}), "\x89", od}) +
           "R",
       "at most 8 sizes"},
      {v2 + tuple({s, integer(0), ")", ")", integer(0), od}) + "R", "requires_grad"},
      {v2 + tuple({s, integer(0), ")", ")", "\x89", "N"}) + "R", "no backward hooks, found None"},
      {v2 + tuple({s, integer(0), ")", ")", "\x89", "}" + text("a") + "Ns"}) + "R",
       "no backward hooks, found a dict of 1"},
      {v2 + tuple({s, integer(0), ")", ")", "\x89", od, "}" + text("conj") + "\x88s"}) + "R",
       "no tensor metadata, found a dict of 1"},
      {global("torch._utils", "_rebuild_parameter") + tuple({"N", "\x89", od}) + "R", "a tensor"},
  };
  for (const auto& [code, expected] : calls)
    EXPECT_THAT(pickle_refusal(with(code)), HasSubstr(expected));
}

TEST(Unpickler, RefusesOtherStorages) {
  const std::string type = global("torch", "FloatStorage");
  const auto with_key = [](const char* key) { return storage("FloatStorage", key, 3); };
  const std::pair<std::string, const char*> storages[] = {
      {"NQ", "(\"storage\", class, key, location, items), found None"},
      {text("storage") + "\x85Q", "found a tuple of 1"},
      {tuple({text("module"), type, text("0"), text("cpu"), integer(3)}) + "Q", "found a tuple"},
      {tuple({text("storage"), text("x"), text("0"), text("cpu"), integer(3)}) + "Q",
       "a storage class, found \"x\""},
      {tuple({text("storage"), global("collections", "OrderedDict"), text("0"), text("cpu"),
              integer(3)}) +
           "Q",
       "a storage class, found collections.OrderedDict"},
      {tuple({text("storage"), type, integer(0), text("cpu"), integer(3)}) + "Q", "a storage key"},
      {tuple({text("storage"), type, text("0"), "N", integer(3)}) + "Q", "a storage location"},
      {tuple({text("storage"), type, text("0"), text("cpu"), integer(-1)}) + "Q", "found int -1"},
      {with_key(""), "digits"},
      {with_key("../0"), "digits"},
      {with_key("0/0"), "digits"},
      {with_key("-1"), "digits"},
      {with_key("1234567890123456789"), "digits"}};
  for (const auto& [code, expected] : storages)
    EXPECT_THAT(pickle_refusal(with(code)), HasSubstr(expected));
}

TEST(Unpickler, BuildTakesPlainAttributesOfAnOrderedDictOnce) {
  // od with one tensor, then BUILD with {"_metadata": {"version": 1}}.
  const std::string od = ordered_dict() + text("t") + small_tensor() + "s";
  const std::string state = "}" + text("_metadata") + "}" + text("version") + "K\x01ss";
  EXPECT_EQ(pickle_refusal(kBegin + od + state + "b."), "no error");
  EXPECT_THAT(pickle_refusal(kBegin + od + state + "b" + state + "b."), HasSubstr("once"));
  EXPECT_THAT(pickle_refusal(kBegin + "}" + state + "b."), HasSubstr("BUILD"));
  EXPECT_THAT(pickle_refusal(kBegin + small_tensor() + state + "b."), HasSubstr("found a tensor"));
  EXPECT_THAT(pickle_refusal(kBegin + global("collections", "OrderedDict") + state + "b."),
              HasSubstr("an OrderedDict to set attributes of, found collections.OrderedDict"));
  EXPECT_THAT(pickle_refusal(kBegin + od + "Nb."), HasSubstr("BUILD"));
  EXPECT_THAT(
      pickle_refusal(kBegin + od + "}" + text("f") + global("collections", "OrderedDict") + "sb."),
      HasSubstr("plain attributes, found collections.OrderedDict"));
  EXPECT_THAT(pickle_refusal(kBegin + od + "}" + text("t") + small_tensor() + "sb."),
              HasSubstr("plain attributes, found a tensor"));
  // The state is in the memo and is filled after it was found to be plain.
  EXPECT_THAT(pickle_refusal(kBegin + od +
                             "}q\x01"
                             "bh\x01" +
                             text("t") + small_tensor() + "s."),
              HasSubstr("a dict to set items of"));
}

TEST(Unpickler, SurvivesContainersInsideThemselves) {
  EXPECT_THAT(pickle_refusal(kBegin + "]q\x01h\x01"
                                      "a."),
              HasSubstr("found a list of 1"));
  EXPECT_THAT(pickle_refusal(kBegin + "}q\x01" + text("v") + "h\x01s."),
              HasSubstr("v: expected a tensor"));
  EXPECT_THAT(pickle_refusal(kBegin + "}q\x01" + text("model") + "h\x01s."),
              HasSubstr("model: expected"));
  // As attributes: a list in itself, and fifty lists of the same list twice, 2^50 paths.
  const std::string od = ordered_dict();
  EXPECT_EQ(pickle_refusal(kBegin + od + "}" + text("a") +
                           "]q\x01h\x01"
                           "asb."),
            "no error");
  std::string doubled = "]q\x01";
  for (char slot = 2; slot < 52; ++slot)
    doubled += std::string("](h") + static_cast<char>(slot - 1) + "h" +
               static_cast<char>(slot - 1) + "eq" + slot;
  // The lists pile up on the stack; gathered in a tuple they become one attribute.
  EXPECT_EQ(pickle_refusal(kBegin + od + "}" + text("a") + "(" + doubled + "tsb."), "no error");
}

TEST(Unpickler, KeepsTheMemoHonest) {
  EXPECT_THAT(pickle_refusal(kBegin + "h\x01."),
              HasSubstr("memo: expected a slot that was filled"));
  EXPECT_THAT(pickle_refusal(kBegin + "}q\x01q\x01."), HasSubstr("memo"));
  EXPECT_THAT(pickle_refusal(kBegin + std::string("}r\xff\xff\xff\xff.")),
              HasSubstr("found 4294967295"));
  EXPECT_EQ(pickle_refusal(kBegin + std::string("}r\0\1\0\0.", 7)), "no error");
}

TEST(Unpickler, UnwrapsOneLevel) {
  const std::string inner = "}" + text("a") + small_tensor() + "s";
  for (const char* key : {"state_dict", "model"}) {
    const auto tensors =
        unpickle_tensors(dict({{"epoch", "K\x03"}, {key, inner}, {"x", "]"}}), "f");
    ASSERT_EQ(tensors.size(), 1U);
    EXPECT_EQ(tensors[0].name, "a");
  }
  EXPECT_THAT(pickle_refusal(dict({{"optimizer", inner}})),
              HasSubstr("optimizer: expected a tensor"));
  // A tensor may be called "model".
  EXPECT_EQ(unpickle_tensors(dict({{"model", small_tensor()}}), "f")[0].name, "model");
}

TEST(Unpickler, BoundsTimeAndMemory) {
  const size_t many = 5'000'000;
  EXPECT_THAT(pickle_refusal(kBegin + std::string(many, 'N')), HasSubstr("a shallow stack"));
  EXPECT_THAT(pickle_refusal(kBegin + std::string(many, '(')), HasSubstr("a shallow stack"));
  std::string appends = kBegin + "]";
  for (size_t i = 0; i < many / 2; ++i) appends += "]a";
  EXPECT_THAT(pickle_refusal(appends), HasSubstr("at most 4000000 instructions"));
  EXPECT_THAT(pickle_refusal(std::string(PickleLimits::kBytes + 1, 'N')),
              HasSubstr("at most 67108864"));
  EXPECT_THAT(pickle_refusal(with(text(std::string(PickleLimits::kTextBytes + 1, 'a')))),
              HasSubstr("BINUNICODE: expected at most 65536 bytes"));
  EXPECT_THAT(pickle_refusal(kBegin + std::string("X\xff\xff\xff\xff")),
              HasSubstr("found 4294967295"));
  EXPECT_THAT(pickle_refusal(kBegin + "c" + std::string(300, 'm')), HasSubstr("a name that ends"));
}

TEST(Unpickler, NeverCrashesOnAFlippedBit) {
  const std::string good = kBegin + ordered_dict() + "q\x01(" + text("a") + small_tensor() +
                           "q\x02" + text("b") + "h\x02u}" + text("_metadata") + "h\x01sb.";
  for (size_t at = 0; at < good.size(); ++at)
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = good;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      pickle_refusal(damaged);  // an Error or tensors; the sanitizers watch for anything else
    }
}

}  // namespace
}  // namespace tessera
