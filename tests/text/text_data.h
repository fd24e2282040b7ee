#pragma once

#include <string>

namespace tessera {

inline const std::string kData = TESSERA_TEXT_DATA_DIR;  ///< tests/text/data

}  // namespace tessera
