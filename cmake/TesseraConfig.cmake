# The libraries that the static ones need, then the targets themselves.
include(${CMAKE_CURRENT_LIST_DIR}/TesseraDependencies.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/TesseraTargets.cmake)
