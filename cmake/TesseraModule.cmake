# Flags for all of our own code: strict, and the same floating-point results on every instruction
# set (a contraction that only one compiler makes would change the last bit of an answer).
# Not for what nvcc compiles: TesseraCuda.cmake has its flags.
add_library(tessera_flags INTERFACE)
target_compile_features(tessera_flags INTERFACE cxx_std_20)
set(tessera_cxx_flags
  -Wall -Wextra -Wpedantic -Werror -Wshadow -Wconversion -Wno-sign-conversion
  -Wno-missing-field-initializers  # designated initialisers name what differs from the default
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>  # false alarms on std::string in g++ 12 (PR 105651)
  -ffp-contract=off -fvisibility=hidden)
target_compile_options(tessera_flags INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:${tessera_cxx_flags}>")
if(TESSERA_SANITIZE)
  set(sanitize_flags -fsanitize=${TESSERA_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  if(TESSERA_SANITIZE MATCHES "thread")
    # It sees calls of memcpy and memset, and not what g++ puts in their place.
    list(APPEND sanitize_flags -fno-builtin-memcpy -fno-builtin-memmove -fno-builtin-memset)
    # What the CUDA emulator does on behalf of kernels is not to be seen: it would order them.
    set(sanitize_flags "$<$<NOT:$<BOOL:$<TARGET_PROPERTY:TESSERA_UNSEEN_BY_TSAN>>>:${sanitize_flags}>")
  endif()
  if(TESSERA_SANITIZE MATCHES "undefined")
    # Tests are not what is judged, and take a third less to build without it.
    list(APPEND sanitize_flags "$<$<BOOL:$<TARGET_PROPERTY:TESSERA_IS_TEST>>:-fno-sanitize=undefined>")
  endif()
  target_compile_options(tessera_flags INTERFACE "${sanitize_flags}")
  target_link_options(tessera_flags INTERFACE -fsanitize=${TESSERA_SANITIZE})
endif()
if(TESSERA_FUZZ)
  target_compile_options(tessera_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

set_property(GLOBAL PROPERTY TESSERA_MODULES "")

# A folder under src/ is one static library. It may include from the modules in DEPS and from no
# other: the DEPS lines together are the layer diagram.
#   tessera_module(ops SOURCES a.cc b.cc DEPS tensor device LIBS PkgConfig::X)
# CUDA and CUDA_DEPS: sources and modules that only builds with CUDA have.
# PUBLIC_LIBS are libraries that the module's own headers show.
function(tessera_module name)
  cmake_parse_arguments(ARG "" "" "SOURCES;CUDA;DEPS;CUDA_DEPS;LIBS;PUBLIC_LIBS" ${ARGN})
  add_library(tessera_${name} STATIC ${ARG_SOURCES})
  if(NOT TESSERA_CUDA STREQUAL "OFF" AND ARG_CUDA)
    tessera_cuda_sources(tessera_${name} ${ARG_CUDA})
    list(APPEND ARG_DEPS ${ARG_CUDA_DEPS})
  endif()
  list(TRANSFORM ARG_DEPS PREPEND tessera_)
  target_include_directories(tessera_${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>)
  target_link_libraries(tessera_${name}
    PUBLIC ${ARG_DEPS} ${ARG_PUBLIC_LIBS} PRIVATE $<BUILD_INTERFACE:tessera_flags> ${ARG_LIBS})
  set_property(GLOBAL APPEND PROPERTY TESSERA_MODULES tessera_${name})
endfunction()
