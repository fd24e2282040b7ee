#include "text/regex.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>

#include "tessera/error.h"
#include "text/regex_syntax.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace tessera {

struct FreePcre {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

namespace {

// A pattern that looks for line ends behind white space goes back over the white space: a step or
// two for each byte. Some more for the rest of it, and for short texts.
constexpr size_t kStepsPerByte = 16, kMoreSteps = 10'000;
constexpr uint32_t kMaxHeapKib = 64 << 10;

std::string reason(int code) {
  PCRE2_UCHAR text[256];
  pcre2_get_error_message(code, text, sizeof(text));
  return reinterpret_cast<const char*>(text);
}

}  // namespace

struct Regex::Compiled {
  std::unique_ptr<pcre2_code, FreePcre> code;
};

namespace {

// One text on its way through a pattern.
class Search {
 public:
  Search(const pcre2_code* code, std::string_view text)
      : code_(code),
        text_(text),
        data_(pcre2_match_data_create(1, nullptr)),
        limits_(pcre2_match_context_create(nullptr)) {
    if (!data_ || !limits_) throw std::bad_alloc();
    const size_t steps = kMoreSteps + kStepsPerByte * text.size();
    pcre2_set_match_limit(limits_.get(),
                          static_cast<uint32_t>(std::min<size_t>(steps, UINT32_MAX)));
    pcre2_set_heap_limit(limits_.get(), kMaxHeapKib);
  }

  // The first match at or after `from`: where it begins and ends.
  const size_t* find(size_t from) {
    int found = match(from, PCRE2_NO_UTF_CHECK);
    // Compiled to machine code it runs on a small stack; the interpreter's is on the heap.
    if (found == PCRE2_ERROR_JIT_STACKLIMIT) found = match(from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT);
    if (found == PCRE2_ERROR_NOMATCH) return nullptr;
    if (found < 0)
      throw Error({.where = "tokenizer",
                   .what = "a pattern of tokenizer.json cannot cut this text",
                   .found = reason(found)});
    return pcre2_get_ovector_pointer(data_.get());
  }

 private:
  int match(size_t from, uint32_t options) {
    return pcre2_match(code_, reinterpret_cast<PCRE2_SPTR>(text_.data()), text_.size(), from,
                       options, data_.get(), limits_.get());
  }

  const pcre2_code* code_;
  std::string_view text_;
  std::unique_ptr<pcre2_match_data, FreePcre> data_;
  std::unique_ptr<pcre2_match_context, FreePcre> limits_;
};

}  // namespace

Regex::Regex(std::string_view pattern, const std::string& where)
    : compiled_(std::make_unique<Compiled>()) {
  const std::string translated = to_pcre2_syntax(pattern, where);
  int error = 0;
  size_t offset = 0;
  compiled_->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()),
                                      translated.size(), PCRE2_UTF | PCRE2_UCP, &error, &offset,
                                      nullptr));
  if (!compiled_->code)
    throw Error({.where = where, .what = "PCRE2 refuses the pattern", .found = reason(error)});
  uint32_t may_be_empty = 0;
  pcre2_pattern_info(compiled_->code.get(), PCRE2_INFO_MATCHEMPTY, &may_be_empty);
  if (may_be_empty != 0)
    throw Error({.where = where,
                 .what = "pattern",
                 .expected = "one that matches a character or more",
                 .found = "one that matches the empty text"});
  // Where the system forbids it, or the processor is unknown to PCRE2, it is interpreted.
  pcre2_jit_compile(compiled_->code.get(), PCRE2_JIT_COMPLETE);
}

Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;
Regex::~Regex() = default;

void Regex::split(std::string_view text,
                  const std::function<void(std::string_view, bool)>& on_part) const {
  if (text.empty()) return;
  Search search(compiled_->code.get(), text);
  size_t done = 0;
  while (done < text.size()) {
    const size_t* place = search.find(done);
    if (place == nullptr) break;
    const size_t begin = place[0], end = place[1];
    if (begin > done) on_part(text.substr(done, begin - done), false);
    on_part(text.substr(begin, end - begin), true);
    done = end;
  }
  if (done < text.size()) on_part(text.substr(done), false);
}

}  // namespace tessera
