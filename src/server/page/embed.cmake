# cmake -DPAGE_DIR=DIR -DOUT=FILE.cc -P embed.cmake: the page's files as one C++ source, which
# defines page_files() of server/page.h. Text files alone, so that each can stand as it is, as a raw
# string; an assembler's .incbin would need that language, and ld's binary objects a target's name.
cmake_minimum_required(VERSION 3.25)

set(type_html "text/html; charset=utf-8")
set(type_css "text/css; charset=utf-8")
set(type_js "text/javascript; charset=utf-8")
set(type_svg "image/svg+xml")

file(GLOB names RELATIVE "${PAGE_DIR}" "${PAGE_DIR}/*.html" "${PAGE_DIR}/*.css" "${PAGE_DIR}/*.js"
     "${PAGE_DIR}/*.svg")
set(paths "")
foreach(name IN LISTS names)
  string(REPLACE "page/index.html" "" path "page/${name}")
  list(APPEND paths "/${path}")
endforeach()
list(SORT paths COMPARE STRING)  # find_page_file halves its way through

set(entries "")
foreach(path IN LISTS paths)
  string(REPLACE "/page/" "" name "${path}")
  if(path STREQUAL "/")
    set(name index.html)
  endif()
  string(REGEX REPLACE ".*[.]" "" ending "${name}")
  file(READ "${PAGE_DIR}/${name}" text)
  file(SHA256 "${PAGE_DIR}/${name}" hash)
  string(SUBSTRING "${hash}" 0 16 hash)
  if(text MATCHES "[)]page\"")
    message(FATAL_ERROR "${name}: )page\" ends the raw string that it is put in")
  endif()
  string(APPEND entries
    "      {\"${path}\", R\"page(${text})page\",\n       \"${type_${ending}}\", \"\\\"${hash}\\\"\"},\n")
endforeach()

set(source "// Made by src/server/page/embed.cmake.
#include \"server/page.h\"

namespace tessera {

const std::vector<PageFile>& page_files() {
  static const std::vector<PageFile> files = {
${entries}  };
  return files;
}

}  // namespace tessera
")
file(WRITE "${OUT}" "${source}")
