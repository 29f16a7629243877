// Loops and branches in C++. Their functions run once, to say what a round does; values from outside may be used
// inside.
//
//   ScanResult sums = scan({0}, {x}, [](auto carry, auto slices, Expr) { Expr s = carry[0] + slices[0]; return
//   ScanStep{{s}, {s}}; }); sums.carried[0];  // the last content sums.emitted[0];  // what was emitted, along a new
//   first dimension
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "gradc/expr.h"

namespace gradc {
inline namespace api {

using Exprs = std::vector<Expr>;

// The new content of what is carried, of unchanged types, and what is emitted.
struct ScanStep {
  Exprs next, emit;
};

struct ScanResult {
  Exprs carried, emitted;
};

struct ScanOptions {
  std::optional<Dim> length = {};  // number of rounds; none: the first dimension of what is run over
  bool reverse = false;            // from the last round to the first
};

// `carry` holds the initial contents; each of `over` is sliced along its first dimension. The function takes the
// contents, the slices and the number of the round, i64[].
ScanResult scan(const Exprs& carry, const Exprs& over,
                const std::function<ScanStep(const Exprs& carry, const Exprs& slices, Expr index)>& body,
                const ScanOptions& options = {}, Place at = Place::current());
// A loop over nothing needs to know of which model it is part, and how long it is.
ScanResult scan(Model& model, const Exprs& carry,
                const std::function<ScanStep(const Exprs& carry, const Exprs& slices, Expr index)>& body,
                const ScanOptions& options, Place at = Place::current());

// Runs while the condition, bool[], holds; hands out the last contents. With `max_trips` it ends after so many rounds
// at the latest, and has a reverse mode.
Exprs while_loop(const Exprs& carry, const std::function<Expr(const Exprs& carry)>& condition,
                 const std::function<Exprs(const Exprs& carry, Expr index)>& body, std::int64_t max_trips = 0,
                 Place at = Place::current());

// What the first function yields where the predicate, bool[], holds, else what the second does; only one is run.
Expr cond(const Expr& predicate, const std::function<Expr()>& yes, const std::function<Expr()>& no,
          Place at = Place::current());
Exprs cond(const Expr& predicate, const std::function<Exprs()>& yes, const std::function<Exprs()>& no,
           Place at = Place::current());

}  // namespace api
}  // namespace gradc
