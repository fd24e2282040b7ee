#pragma once

#include <string_view>
#include <vector>

#include "http/http.h"

namespace tessera {

/// A file of the web page. The texts are part of the program: they live as long as it does.
struct PageFile {
  std::string_view path;  ///< as asked for: "/" or "/page/app.js"
  std::string_view bytes;
  std::string_view content_type;
  std::string_view etag;  ///< in its quotes; changes with the bytes
};

/// All of them, in order of their paths.
const std::vector<PageFile>& page_files();

/// The file at that path (decoded, without a query); null when there is none.
const PageFile* find_page_file(std::string_view path);

/// GET / and /page/*: the file with its ETag, 304 to who has it, 404 for all else. Every answer
/// carries the headers that keep the page from running, loading or sending anything of others.
///
/// open_to_all: whether the files can be had without a key. They are the same for everyone and hold
/// nothing of the server's; a browser cannot send a bearer key with the address it opens, so where
/// keys are asked for and Basic is not understood, the page can be opened only so. What it shows it
/// asks for with the key that its settings hold.
std::vector<Route> page_routes(bool open_to_all = false);

}  // namespace tessera
