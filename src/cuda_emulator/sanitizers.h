#pragma once

#include <cstddef>

#ifdef TESSERA_UNDER_TSAN
#include <sanitizer/tsan_interface.h>

// Exported by ThreadSanitizer and in no header of the compiler.
extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif
#ifdef TESSERA_UNDER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

// What the sanitizers must be told about stacks and order that they cannot see for themselves. Each
// function is empty in a build without its sanitizer.
//
// This module itself is compiled without -fsanitize=thread: its own bookkeeping, which one thread
// of the host does for all threads of the GPU, would order everything that a kernel does. What it
// calls is seen all the same where ThreadSanitizer intercepts it (malloc, free, mmap, memcpy,
// memset) and where the linker takes another module's copy of an inline function: hence TsanUnseen.

namespace tessera {

#ifdef TESSERA_UNDER_TSAN
inline constexpr bool kUnderTsan = true;

inline void* tsan_make_fiber() {
  return __tsan_create_fiber(0);
}
inline void* tsan_current_fiber() {
  return __tsan_get_current_fiber();
}
/// No order between the fiber left and the fiber entered.
inline void tsan_switch(void* fiber) {
  __tsan_switch_to_fiber(fiber, __tsan_switch_to_fiber_no_sync);
}
/// All before a release of a token comes before all after an acquire of it. Any address will do.
inline void tsan_release(void* token) {
  __tsan_release(token);
}
inline void tsan_acquire(void* token) {
  __tsan_acquire(token);
}
inline void tsan_stop_seeing() {
  AnnotateIgnoreReadsBegin(nullptr, 0);
  AnnotateIgnoreWritesBegin(nullptr, 0);
}
inline void tsan_see_again() {
  AnnotateIgnoreWritesEnd(nullptr, 0);
  AnnotateIgnoreReadsEnd(nullptr, 0);
}
#else
inline constexpr bool kUnderTsan = false;

inline void* tsan_make_fiber() {
  return nullptr;
}
inline void* tsan_current_fiber() {
  return nullptr;
}
inline void tsan_switch(void*) {}
inline void tsan_release(void*) {}
inline void tsan_acquire(void*) {}
inline void tsan_stop_seeing() {}
inline void tsan_see_again() {}
#endif

/// ThreadSanitizer takes no note of what the fiber reads and writes while this lives.
class TsanUnseen {
 public:
  TsanUnseen() { tsan_stop_seeing(); }
  ~TsanUnseen() { tsan_see_again(); }
  TsanUnseen(const TsanUnseen&) = delete;
  TsanUnseen& operator=(const TsanUnseen&) = delete;
};
/// Inside of a TsanUnseen: what is the program's own.
class TsanSeen {
 public:
  TsanSeen() { tsan_see_again(); }
  ~TsanSeen() { tsan_stop_seeing(); }
  TsanSeen(const TsanSeen&) = delete;
  TsanSeen& operator=(const TsanSeen&) = delete;
};

#ifdef TESSERA_UNDER_ASAN
inline void asan_start_switch(void** fake_stack, const void* bottom, size_t bytes) {
  __sanitizer_start_switch_fiber(fake_stack, bottom, bytes);
}
inline void asan_finish_switch(void* fake_stack) {
  __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
}
inline void asan_poison(const void* data, size_t bytes) {
  __asan_poison_memory_region(data, bytes);
}
inline void asan_unpoison(const void* data, size_t bytes) {
  __asan_unpoison_memory_region(data, bytes);
}
#else
inline void asan_start_switch(void**, const void*, size_t) {}
inline void asan_finish_switch(void*) {}
inline void asan_poison(const void*, size_t) {}
inline void asan_unpoison(const void*, size_t) {}
#endif

}  // namespace tessera
