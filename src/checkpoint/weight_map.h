#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace tessera {

/// Tensor name -> name of the file that holds it.
using WeightMap = std::map<std::string, std::string, std::less<>>;

/// Reads the text of an index file. File names are plain, without "/", so that no shard lies
/// outside the folder of its index. Throws Error that names `where` otherwise.
WeightMap parse_weight_map(std::string_view text, const std::string& where);

}  // namespace tessera
