// The generated reference of the ops is up to date.
#include <fstream>
#include <sstream>

#include "ir/ops_doc.h"
#include "tests/support/catch.h"

using namespace gradc;

TEST_CASE("ir/OPS.md is what `gradc ops --markdown` writes") {
  std::ifstream file(std::string(GRADC_SOURCE_DIR) + "/ir/OPS.md");
  std::ostringstream text;
  text << file.rdbuf();
  CHECK(text.str() == ops_markdown());
}

TEST_CASE("a signature shows operands, attributes and defaults") {
  CHECK(signature(*Registry::get().find("add")) == "add(a, b)");
  CHECK(signature(*Registry::get().find("sum")) == "sum(x, axis=[], keep=false)");
  CHECK(signature(*Registry::get().find("concatenate")) == "concatenate(x…, axis=0)");
  CHECK(signature(*Registry::get().find("iota")) == "iota(shape, dtype=i32, axis=0)");
}
