// What a diagnostic looks like, and that a warning is given once.
#include "ir/diagnostic.h"
#include "tests/support/catch.h"

using namespace gradc;

TEST_CASE("a warning is given once a place") {
  Diagnostics diagnostics;
  const Location here = make_location("m.json", 1, 2), there = make_location("m.json", 1, 3);
  diagnostics.warning(here, "kernel leaves out a row");
  diagnostics.warning(here, "kernel leaves out a row");
  CHECK(diagnostics.all().size() == 1);
  diagnostics.warning(there, "kernel leaves out a row");
  diagnostics.warning(here, "kernel leaves out a column");
  CHECK(diagnostics.all().size() == 3);
  CHECK(!diagnostics.has_errors());
  diagnostics.error(here, "no such op");
  CHECK(diagnostics.has_errors());
}

TEST_CASE("a caret stands below its code point, and long lines are cut between code points") {
  Diagnostics diagnostics;
  std::string many;
  for (int i = 0; i < 300; ++i) many += "\u00e9";
  diagnostics.add_source("m.json", "\"\u00e9\u20ac\U0001F600\": x\n" + many);
  CHECK(diagnostics.render({Severity::error, make_location("m.json", 1, 8), "x", {}}) ==
        "m.json:1:8: error: x\n  \"\u00e9\u20ac\U0001F600\": x\n         ^\n");
  std::string cut = diagnostics.render({Severity::error, make_location("m.json", 2, 250), "y", {}});
  CHECK(cut == "m.json:2:250: error: y\n  " + many.substr(0, 240) + "\n  " + std::string(100, ' ') + "^\n");
}

TEST_CASE("a diagnostic shows its line and a caret") {
  Diagnostics diagnostics;
  diagnostics.add_source("m.json", "{\n  \"op\": \"rleu\"\n}\n");
  const Diagnostic& d = diagnostics.error(make_location("m.json", 2, 9), "unknown op `rleu`");
  CHECK(diagnostics.render(d) ==
        "m.json:2:9: error: unknown op `rleu`\n"
        "    \"op\": \"rleu\"\n"
        "          ^\n");
}

TEST_CASE("the nearest name is one that is spelled alike, else one that shares its words") {
  const std::vector<std::string> names{"relu", "softmax", "binary_cross_entropy_with_logits",
                                       "binary_cross_entropy_of"};
  CHECK(nearest("reul", names) == "relu");
  CHECK(nearest("ReLU", names) == "relu");
  CHECK(nearest("softmx", names) == "softmax");
  CHECK(nearest("binary_cross_entropy", names) == "binary_cross_entropy_of");
  CHECK(nearest("relu_activation", names) == "relu");
  CHECK(nearest("conv", names).empty());
  CHECK(nearest("elu", names) == "relu");
  CHECK(nearest("max", names).empty());
}
