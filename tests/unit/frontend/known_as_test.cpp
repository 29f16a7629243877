// Names of other systems lead to ours.
#include "ir/known_as.h"
#include "compiler/frontend/layers.h"
#include "ir/op.h"
#include "load.h"

using namespace gradc;

TEST_CASE("names of other systems are sorted, are not ours, and lead to an op, a layer or an initialiser") {
  std::string_view before;
  for (const KnownAs& known : known_as()) {
    INFO(known.other);
    CHECK(before < known.other);
    before = known.other;
    CHECK_FALSE(Registry::get().find(known.other));
    CHECK_FALSE(find_layer(known.other));
    CHECK_FALSE(find_initializer(known.other));
    const Op* op = Registry::get().find(known.ours);
    CHECK(((op && !op->internal) || find_layer(known.ours) || find_initializer(known.ours)));
    CHECK(ours_for(known.other) == known.ours);
  }
}

TEST_CASE("an unknown op that others have is told by its name here") {
  const auto of = [](const std::string& node) {
    return errors_of(R"j({"inputs": {"x": "f64[N,3]"}, "graph": [)j" + node + "]}");
  };
  CHECK(of(R"j({"name": "y", "value": "where(x > 0, x, 0)"})j").find("unknown function `where`; here it is `select`") !=
        std::string::npos);
  CHECK(of(R"j({"op": "flip", "x": "x", "axis": 1})j").find("unknown op `flip`; here it is `reverse`") !=
        std::string::npos);
  CHECK(of(R"j({"op": "dense", "name": "d", "x": "x"})j").find("unknown op `dense`; here it is `linear`") !=
        std::string::npos);
  // A layer is no function, so it is not what an expression is led to.
  CHECK(of(R"j({"name": "y", "value": "dense(x)"})j").find("`linear`") == std::string::npos);
}
