# tessera_page_source(VAR): the source file that holds the web page, made again when one of the
# page's files changes.
function(tessera_page_source variable)
  set(page_dir ${CMAKE_CURRENT_FUNCTION_LIST_DIR})
  set(out ${CMAKE_CURRENT_BINARY_DIR}/page_files.cc)
  file(GLOB files CONFIGURE_DEPENDS ${page_dir}/*.html ${page_dir}/*.css ${page_dir}/*.js ${page_dir}/*.svg)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DPAGE_DIR=${page_dir} -DOUT=${out} -P ${page_dir}/embed.cmake
    DEPENDS ${files} ${page_dir}/embed.cmake
    COMMENT "Embedding the web page" VERBATIM)
  set(${variable} ${out} PARENT_SCOPE)
endfunction()
