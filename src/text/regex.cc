#include "text/regex.h"

#include <fmt/format.h>

#include <new>

#include "tessera/error.h"
#include "text/regex_syntax.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace tessera {
namespace {

struct Free {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

constexpr uint32_t kMaxHeapKib = 64 << 10;

std::string reason(int code) {
  PCRE2_UCHAR text[256];
  pcre2_get_error_message(code, text, sizeof(text));
  return reinterpret_cast<const char*>(text);
}

}  // namespace

struct Regex::Compiled {
  std::unique_ptr<pcre2_code, Free> code;
  std::unique_ptr<pcre2_match_context, Free> limits;

  // The first match at or after `from`, whose place is then in `data`.
  bool find(std::string_view text, size_t from, pcre2_match_data* data) const {
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    int found =
        pcre2_match(code.get(), subject, text.size(), from, PCRE2_NO_UTF_CHECK, data, limits.get());
    // Compiled to machine code it runs on a small stack; the interpreter's is on the heap.
    if (found == PCRE2_ERROR_JIT_STACKLIMIT)
      found = pcre2_match(code.get(), subject, text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
                          data, limits.get());
    if (found == PCRE2_ERROR_NOMATCH) return false;
    if (found < 0)
      throw Error({.where = "tokenizer",
                   .what = "a pattern of tokenizer.json cannot cut this text",
                   .found = reason(found)});
    return true;
  }
};

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
  compiled_->limits.reset(pcre2_match_context_create(nullptr));
  if (!compiled_->limits) throw std::bad_alloc();
  pcre2_set_match_limit(compiled_->limits.get(), kMaxSteps);
  pcre2_set_heap_limit(compiled_->limits.get(), kMaxHeapKib);
}

Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;
Regex::~Regex() = default;

void Regex::split(std::string_view text,
                  const std::function<void(std::string_view, bool)>& on_part) const {
  const std::unique_ptr<pcre2_match_data, Free> data(pcre2_match_data_create(1, nullptr));
  if (!data) throw std::bad_alloc();
  size_t done = 0;
  while (done < text.size() && compiled_->find(text, done, data.get())) {
    const size_t* place = pcre2_get_ovector_pointer(data.get());
    if (place[0] > done) on_part(text.substr(done, place[0] - done), false);
    on_part(text.substr(place[0], place[1] - place[0]), true);
    done = place[1];
  }
  if (done < text.size()) on_part(text.substr(done), false);
}

}  // namespace tessera
