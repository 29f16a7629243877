// The located JSON tree: where things stand, and what it refuses.
#include "compiler/frontend/json.h"

#include "tests/support/catch.h"

using namespace gradc;

namespace {

// "line:column: message" of the only error.
std::string error_of(const std::string& text) {
  Diagnostics diagnostics;
  auto json = parse_json(text, "t.json", diagnostics);
  REQUIRE_FALSE(json);
  REQUIRE(diagnostics.all().size() == 1);
  const Diagnostic& d = diagnostics.all()[0];
  return std::to_string(d.location.line) + ":" + std::to_string(d.location.column) + ": " + d.message;
}

Json parsed(const std::string& text) {
  Diagnostics diagnostics;
  auto json = parse_json(text, "t.json", diagnostics);
  INFO(diagnostics.render());
  REQUIRE(json);
  return std::move(*json);
}

std::string place(Location l) { return std::to_string(l.line) + ":" + std::to_string(l.column); }

}  // namespace

TEST_CASE("every key and value has its place, keys keep their order") {
  Json json =
      parsed("{ \"b\": 1, // a comment, with \"quotes\": [\n  \"a\" : [true, /* x */ null,\n -2.5e3 ],\n\"o\":{}}");
  CHECK(place(json.location()) == "1:1");
  REQUIRE(json.members.size() == 3);
  CHECK(json.members[0].key == "b");
  CHECK(place(json.members[0].location()) == "1:3");
  CHECK(place(json.members[0].value.location()) == "1:8");
  CHECK(place(json.members[1].location()) == "2:3");
  const Json& list = json.members[1].value;
  CHECK(place(list.location()) == "2:9");
  CHECK(place(list.items[0].location()) == "2:10");
  CHECK(place(list.items[1].location()) == "2:24");
  CHECK(place(list.items[2].location()) == "3:2");
  CHECK(list.items[2].number == -2500);
  CHECK(place(json.members[2].value.location()) == "4:5");
}

TEST_CASE("places inside strings see through escapes") {
  Json json = parsed("[\"ab\\n\\u00e9\\\"cd\"]");
  const Json& string = json.items[0];
  CHECK(string.text == "ab\n\xC3\xA9\"cd");
  CHECK(place(string.inside(0)) == "1:3");
  CHECK(place(string.inside(3)) == "1:7");   // behind \n
  CHECK(place(string.inside(5)) == "1:13");  // behind the e with accent, two bytes
  CHECK(place(string.inside(6)) == "1:15");
}

TEST_CASE("columns count code points, not bytes, nor a byte order mark") {
  std::string filler(600, ' ');
  Json json = parsed("\xEF\xBB\xBF{\"\u00fc\u20ac\U0001F600\": 1,\n\"" + filler + "\u00fc\": \"\u00fcb\"}");
  CHECK(place(json.location()) == "1:1");
  CHECK(place(json.members[0].value.location()) == "1:9");
  CHECK(place(json.members[1].value.location()) == "2:606");
  CHECK(place(json.members[1].value.inside(2)) == "2:608");
  CHECK(error_of("[\"\u00fc\u00fc\", x]").starts_with("1:8: "));
}

TEST_CASE("numbers know whether they are integers") {
  Json json = parsed("[3, 1e3, 2.5, -9223372036854775808, 18446744073709551615, 0.0]");
  CHECK(json.items[0].integral);
  CHECK(json.items[1].integer == 1000);
  CHECK_FALSE(json.items[2].integral);
  CHECK(json.items[3].integer == INT64_MIN);
  CHECK_FALSE(json.items[4].integral);
  CHECK(json.items[5].integral);
}

TEST_CASE("what is no JSON is refused at its place") {
  CHECK(error_of("{\"a\": 1,\n \"b\" 2}").starts_with("2:6: unexpected number literal; expected ':'"));
  CHECK(error_of("").starts_with("1:1: there is no text in it"));
  CHECK(error_of("[1, 2").find("unexpected end of input") != std::string::npos);
  CHECK(error_of("[1] x").starts_with("1:5: "));
  CHECK(error_of("[1,\n 1e999]") == "2:2: number 1e999 is too large");
  CHECK(error_of("[\"\xff\"]").find("ill-formed UTF-8") != std::string::npos);
  CHECK(error_of("{\"a\": 1,\n \"a\": 2}") == "2:2: duplicate key `a`");
  CHECK(error_of(std::string(100000, '[')) == "1:201: nested deeper than 200 levels");
  std::string objects;
  for (int i = 0; i < 100000; ++i) objects += "{\"a\":";
  CHECK(error_of(objects) == "1:1001: nested deeper than 200 levels");
}
