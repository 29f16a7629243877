// Modes of differentiation as functions of values: grad, vjp, jvp, hvp, jacobian, hessian. All give values again, so
// they nest, and stand in objectives, reports, outputs and loops alike.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/frontend/model_builder.h"

namespace gradc {

// Arguments in order; where one is written as a list, it has several values.
using ModeArguments = std::vector<std::vector<Operand>>;

struct Mode {
  std::string name;
  std::vector<std::string> arguments;
  std::string example;
};

const std::vector<Mode>& modes();
const Mode* find_mode(std::string_view name);

// The results: one, or as many as there are values to differentiate by.
std::vector<Value*> apply_mode(ModelBuilder& model, const Mode& mode, const ModeArguments& arguments,
                               const Location& at);

// `output` as a value whose way from `wrt` lies in the region that is entered. What lies outside is copied, for closed
// regions hide what depends on what: only nodes of one region are differentiated.
Value* brought_inside(ModelBuilder& model, Value* output, std::span<Value* const> wrt);

}  // namespace gradc
