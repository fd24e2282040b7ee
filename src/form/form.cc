#include "form/form.h"

#include <stdexcept>

#include "form/determinise.h"
#include "form/json_grammar.h"
#include "form/pattern_writer.h"
#include "form/schema_compiler.h"

namespace tessera {

std::shared_ptr<const CompiledForm> compile_form(const AnswerForm& form) {
  Grammar grammar;
  switch (form.kind) {
    case AnswerForm::Kind::kAny:
      throw std::logic_error("no form to compile");
    case AnswerForm::Kind::kJson: {
      JsonGrammar json(grammar);
      grammar.root =
          grammar.add_rule(false, "json", [&](uint32_t from) { return json.any_object(from); });
      break;
    }
    case AnswerForm::Kind::kJsonSchema:
      SchemaCompiler::compile(form.definition, grammar);
      break;
    case AnswerForm::Kind::kRegex:
      grammar.root = grammar.add_rule(false, "regex", [&](uint32_t from) {
        return write_pattern(grammar.nfa, from, form.definition, PatternExtent::kWhole,
                             Spelling::kPlain, "regex");
      });
      break;
  }
  return std::make_shared<const CompiledForm>(CompiledForm{determinise(grammar)});
}

}  // namespace tessera
