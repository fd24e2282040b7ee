#pragma once

#include <string>
#include <vector>

namespace tessera {

/// Rows of text as aligned columns, two spaces between, one line a row. The first row is the
/// heading; columns whose cells below it all begin with a digit (or are "-") are set to the right.
/// Widths count bytes: cells are ASCII.
std::string format_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace tessera
