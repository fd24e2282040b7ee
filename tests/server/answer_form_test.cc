#include "server/answer_form_fields.h"

#include <gtest/gtest.h>

#include <regex>

#include "tests/server/refused_field.h"

namespace tessera {
namespace {

using Kind = AnswerForm::Kind;

AnswerForm form_of(const Json& json) {
  return read_answer_form(BodyFields(json, ""), ApiLimits{});
}
std::string refused_form(const Json& json) {
  return refused_field([&] { form_of(json); });
}
const Json kSchema = {{"type", "object"}, {"required", {"a"}}};

TEST(AnswerFormFields, AnyTextWhenNothingIsSaid) {
  EXPECT_EQ(form_of(Json::object()).kind, Kind::kAny);
  EXPECT_EQ(form_of({{"response_format", {{"type", "text"}}}}).kind, Kind::kAny);
  EXPECT_EQ(form_of({{"response_format", nullptr}, {"guided_json", nullptr}}).kind, Kind::kAny);
  EXPECT_EQ(form_of({{"structured_outputs", Json::object()}}).kind, Kind::kAny);
}

TEST(AnswerFormFields, JsonOfAnyShape) {
  EXPECT_EQ(form_of({{"response_format", {{"type", "json_object"}}}}).kind, Kind::kJson);
  EXPECT_EQ(form_of({{"structured_outputs", {{"json_object", true}}}}).kind, Kind::kJson);
}

TEST(AnswerFormFields, JsonOfASchemaInEachOfItsWays) {
  const Json format = {{"type", "json_schema"},
                       {"json_schema", {{"name", "x"}, {"strict", true}, {"schema", kSchema}}}};
  for (const Json& json :
       {Json{{"response_format", format}},
        Json{{"response_format", {{"type", "json_object"}, {"schema", kSchema}}}},
        Json{{"json_schema", kSchema}}, Json{{"guided_json", kSchema}},
        Json{{"guided_json", kSchema.dump()}}, Json{{"structured_outputs", {{"json", kSchema}}}}}) {
    const AnswerForm form = form_of(json);
    EXPECT_EQ(form.kind, Kind::kJsonSchema) << json;
    EXPECT_EQ(form.definition, kSchema.dump()) << json;  // keys in their order
  }
}

TEST(AnswerFormFields, Expressions) {
  EXPECT_EQ(form_of({{"guided_regex", "[ab]+"}}).definition, "[ab]+");
  EXPECT_EQ(form_of({{"structured_outputs", {{"regex", "x"}}}}).kind, Kind::kRegex);
}

TEST(AnswerFormFields, ChoicesMatchThemselvesAlone) {
  const std::vector<std::string> choices = {"yes", "a.b*c", "(no)", "1+1=2?", "[x]{2}|\\d^$"};
  const std::regex expression(form_of({{"guided_choice", choices}}).definition);
  for (const std::string& choice : choices)
    EXPECT_TRUE(std::regex_match(choice, expression)) << choice;
  for (const char* other : {"yesyes", "aXbbc", "no", "11=2", "xx"})
    EXPECT_FALSE(std::regex_match(other, expression)) << other;
}

TEST(AnswerFormFields, RefusesWhatItCannotDo) {
  EXPECT_EQ(refused_form({{"response_format", {{"type", "xml"}}}}), "response_format.type");
  EXPECT_EQ(refused_form({{"response_format", Json::object()}}), "response_format.type");
  EXPECT_EQ(refused_form({{"response_format", "json"}}), "response_format");
  EXPECT_EQ(refused_form({{"response_format", {{"type", "json_schema"}}}}),
            "response_format.json_schema missing_required_parameter");
  EXPECT_EQ(refused_form(
                {{"response_format", {{"type", "json_schema"}, {"json_schema", {{"name", "x"}}}}}}),
            "response_format.json_schema.schema missing_required_parameter");
  EXPECT_EQ(refused_form({{"grammar", "root ::= x"}}), "grammar unsupported_parameter");
  EXPECT_EQ(refused_form({{"guided_grammar", "x"}}), "guided_grammar unsupported_parameter");
  EXPECT_EQ(refused_form({{"structured_outputs", {{"grammar", "x"}}}}),
            "structured_outputs.grammar unsupported_parameter");
  EXPECT_EQ(refused_form({{"structured_outputs", {{"regex", "x"}, {"json", kSchema}}}}),
            "structured_outputs.regex");
  EXPECT_EQ(refused_form({{"guided_regex", ""}}), "guided_regex");
  EXPECT_EQ(refused_form({{"guided_json", 5}}), "guided_json");
  EXPECT_EQ(refused_form({{"guided_choice", Json::array()}}), "guided_choice");
  EXPECT_EQ(refused_form({{"guided_choice", {"a", 1}}}), "guided_choice");
  EXPECT_EQ(refused_form({{"guided_regex", "a"}, {"guided_json", kSchema}}), "guided_regex");
  EXPECT_EQ(refused_form({{"guided_regex", std::string((256 << 10) + 1, 'a')}}), "guided_regex");
}

}  // namespace
}  // namespace tessera
