#include <histedit.h>
#include <langinfo.h>

#include <clocale>
#include <csignal>
#include <cstdio>
#include <string_view>

#include "cli/line_reader.h"
#include "tessera/error.h"

namespace tessera {
namespace {

constexpr int kHistoryLines = 1000;

// libedit takes bytes for characters by the locale; a terminal without one still sends UTF-8.
void use_utf8() {
  std::setlocale(LC_CTYPE, "");  // NOLINT(concurrency-mt-unsafe): before any thread edits
  if (std::string_view(::nl_langinfo(CODESET)) != "UTF-8")  // NOLINT(concurrency-mt-unsafe)
    std::setlocale(LC_CTYPE, "C.UTF-8");                    // NOLINT(concurrency-mt-unsafe)
}

struct EndEdit {
  void operator()(EditLine* e) const { ::el_end(e); }
};
struct EndHistory {
  void operator()(History* h) const { ::history_end(h); }
};

class TerminalReader final : public LineReader {
 public:
  TerminalReader() {
    use_utf8();
    edit_.reset(::el_init("tessera", stdin, stderr, stderr));
    history_.reset(::history_init());
    if (!edit_ || !history_)
      throw Error({.where = "terminal", .what = "cannot be used for line editing"});
    HistEvent event;
    ::history(history_.get(), &event, H_SETSIZE, kHistoryLines);
    ::history(history_.get(), &event, H_SETUNIQUE, 1);
    EditLine* edit = edit_.get();
    ::el_set(edit, EL_CLIENTDATA, this);
    ::el_set(edit, EL_HIST, ::history, history_.get());
    ::el_set(
        edit, EL_PROMPT, +[](EditLine*) {
          static char prompt[] = "> ";  // libedit wants char*; it does not write there
          return prompt;
        });
    ::el_set(edit, EL_EDITOR, "emacs");
    ::el_set(edit, EL_SIGNAL, 1);  // the terminal is put right when a signal ends or stops us
    // While a line is edited, Ctrl-C is a key like others: it throws the line away. So must Ctrl-Z
    // be, and sends the signal itself.
    ::el_set(edit, EL_SETTY, "-d", "-isig", nullptr);
    ::el_set(edit, EL_ADDFN, "tessera-interrupt", "Throw the line away", &on_interrupt);
    ::el_set(edit, EL_BIND, "^C", "tessera-interrupt", nullptr);
    ::el_set(edit, EL_ADDFN, "tessera-suspend", "Stop the program until `fg`", &on_suspend);
    ::el_set(edit, EL_BIND, "^Z", "tessera-suspend", nullptr);
    ::el_set(edit, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  }

  Line next() override {
    interrupted_ = false;
    // libedit shows the prompt first: a key that comes in between would be a cooked terminal's.
    ::el_set(edit_.get(), EL_PREP_TERM, 1);
    int count = 0;
    const char* text = ::el_gets(edit_.get(), &count);
    if (interrupted_) {
      std::fputs("^C\n", stderr);
      return {.kind = Line::Kind::kInterrupt, .was_empty = was_empty_};
    }
    if (text == nullptr || count <= 0) {
      std::fputc('\n', stderr);
      return {.kind = Line::Kind::kEnd};
    }
    Line line{.text = std::string(text, static_cast<size_t>(count))};
    while (line.text.ends_with('\n') || line.text.ends_with('\r')) line.text.pop_back();
    if (!line.text.empty()) {
      HistEvent event;
      ::history(history_.get(), &event, H_ENTER, line.text.c_str());
    }
    return line;
  }

 private:
  static unsigned char on_interrupt(EditLine* edit, int) {
    TerminalReader* self = nullptr;
    ::el_get(edit, EL_CLIENTDATA, &self);
    const LineInfo* line = ::el_line(edit);
    self->was_empty_ = line->lastchar == line->buffer;
    self->interrupted_ = true;
    return CC_EOF;
  }

  static unsigned char on_suspend(EditLine*, int) {
    ::raise(SIGTSTP);
    return CC_REFRESH;
  }

  std::unique_ptr<History, EndHistory> history_;
  std::unique_ptr<EditLine, EndEdit> edit_;
  bool interrupted_ = false, was_empty_ = false;
};

}  // namespace

std::unique_ptr<LineReader> make_terminal_reader() {
  return std::make_unique<TerminalReader>();
}

}  // namespace tessera
