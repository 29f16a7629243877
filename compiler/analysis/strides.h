// Reductions over strides as reductions without gaps: a function of the form alone, as the order of a sum is.
#pragma once

#include <vector>

#include "ir/indexed.h"

namespace gradc {

// A variable of the whole form is first + step * that of the part.
struct Stretch {
  std::int64_t first = 0, step = 1;
  friend bool operator==(const Stretch&, const Stretch&) = default;
};

// A part of a form's result, with the terms that count in it.
struct StridedPart {
  IndexedForm form;  // its body's `index` still means variables of the whole
  std::vector<Stretch> origin;
  bool empty = false;  // no term; the form has one, which is not to be computed
};

// Where an operand of a reduction is read at (h + c k + offset) / s, h of the domain and k reduced, only one k in s
// leaves no remainder for a given h: one part for each remainder of h by s, whose accesses are divided no more. The
// form alone where none is.
std::vector<StridedPart> split_strides(const IndexedForm& form);

}  // namespace gradc
