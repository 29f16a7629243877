// Loops and branches as both front ends make them: the types of carried values are checked where they are written.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "compiler/frontend/model_builder.h"

namespace gradc {

// A value of a loop by name, with the place where it is given.
struct LoopValue {
  std::string name;
  Operand operand;
  Location location;
};

// What one round yields: new content for each carried value, and what is emitted.
struct LoopStep {
  std::vector<LoopValue> next, emit;
};

struct LoopResults {
  std::vector<Value*> carried, emitted;  // last content; stacked, the round first
};

using LoopValues = std::vector<Value*>;

struct ScanRequest {
  std::string name;              // of the loop, for values' names
  std::vector<LoopValue> carry;  // initial content
  std::vector<LoopValue> over;   // sliced along the first dimension
  std::optional<Dim> length;     // none: that of `over`
  bool reverse = false;
  Location at;
};
// `index`, i64[], is the number of the round.
using ScanBody = std::function<LoopStep(const LoopValues& carry, const LoopValues& slices, Value* index)>;
LoopResults scan(ModelBuilder& model, const ScanRequest& request, const ScanBody& body);

struct WhileRequest {
  std::string name;
  std::vector<LoopValue> carry;
  std::int64_t max_trips = 0;  // 0: no bound, and no reverse mode
  Location at;
};
using WhileCondition = std::function<LoopValue(const LoopValues& carry, Value* index)>;
using WhileBody = std::function<std::vector<LoopValue>(const LoopValues& carry, Value* index)>;
std::vector<Value*> while_loop(ModelBuilder& model, const WhileRequest& request, const WhileCondition& condition,
                               const WhileBody& body);

// Both branches yield as many values of the same types.
using Branch = std::function<std::vector<LoopValue>()>;
std::vector<Value*> cond(ModelBuilder& model, const LoopValue& predicate, const Branch& yes, const Branch& no,
                         const Location& at);

}  // namespace gradc
