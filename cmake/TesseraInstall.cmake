# cmake --install: the program, the libraries, the public headers and a CMake package, so that
#   find_package(Tessera) and target_link_libraries(app tessera::tessera)
# is all that a program needs to embed the engine.
include(CMakePackageConfigHelpers)

add_library(tessera_interface INTERFACE)
target_link_libraries(tessera_interface INTERFACE tessera_runtime)
target_include_directories(tessera_interface INTERFACE
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
set_target_properties(tessera_interface PROPERTIES EXPORT_NAME tessera)

get_property(modules GLOBAL PROPERTY TESSERA_MODULES)
list(REMOVE_ITEM modules tessera_cli tessera_http tessera_server)
install(TARGETS tessera_interface ${modules} EXPORT TesseraTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/tessera DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Tessera)
install(EXPORT TesseraTargets NAMESPACE tessera:: DESTINATION ${package_dir})
write_basic_package_version_file(TesseraConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES cmake/TesseraConfig.cmake cmake/TesseraDependencies.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/TesseraConfigVersion.cmake
        DESTINATION ${package_dir})
