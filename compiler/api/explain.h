// Which op first gave a NaN or an infinity: a bad step replayed unfused, with every value looked at.
#pragma once

#include <optional>
#include <string>

#include "compiler/api/model_compiler.h"
#include "gradc/fit.h"

namespace gradc {

struct NonFiniteOrigin {
  Location location;    // of the op in the spec; its gradient's primal where it is one
  std::string message;  // "log gives a value that is not finite, from operands that are"
};

// Replays the step from the state before it. nullopt where no value of the graph is at fault (the inputs or the state
// were not finite to begin with).
std::optional<NonFiniteOrigin> explain_non_finite(ModelCompiler& compiler, const std::string& program,
                                                  const runtime::NonFinite& found);

}  // namespace gradc
