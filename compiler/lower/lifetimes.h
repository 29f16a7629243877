// From which statement of a program's entry to which each of its buffers lives.
#pragma once

#include <limits>
#include <map>
#include <vector>

#include "ir/kernel.h"

namespace gradc {

struct Touch {
  bool reads = false, writes = false;
};
using Touches = std::map<int, Touch>;  // by buffer; views are their base

// Statements [first, last]; none: nobody touches the buffer.
struct Lifetime {
  int first = std::numeric_limits<int>::max(), last = -1;
  bool any() const { return last >= 0; }
  bool meets(const Lifetime& other) const { return first <= other.last && other.first <= last; }
};

// A buffer lives from the first statement that touches it to the last; views are their base. What is touched in a loop
// and outside, or read in a loop before it is written there, lives over the whole loop; all else in a loop is new in
// every trip, and whole before it is read, as lowering makes it. Holds pointers into the program.
class Lifetimes {
 public:
  explicit Lifetimes(const KernelProgram& program);

  // Numbers of statements are as they stand; a loop has a second one for its end, behind all that is in it.
  const std::vector<const Statement*>& statements() const { return statements_; }
  const Touches& touched(int statement) const { return touched_[static_cast<std::size_t>(statement)]; }
  const Lifetime& of(int buffer) const { return lifetimes_[static_cast<std::size_t>(buffer)]; }

 private:
  void number(const KernelProgram& program, const std::vector<Statement>& list);
  void outlast(const Lifetime& loop);

  std::vector<const Statement*> statements_;
  std::vector<Touches> touched_;
  std::vector<Lifetime> lifetimes_;
  std::vector<Lifetime> loops_;  // inner ones before outer ones
};

}  // namespace gradc
