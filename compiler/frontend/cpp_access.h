// What the files of the C++ API share: from places and expressions to locations and values of a builder.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "compiler/frontend/model_builder.h"
#include "gradc/expr.h"

namespace gradc {

Location location_of(Place place);  // the file's name without its folders, and the line
// The model of which the operands are values; UserError where they are of several, or all numbers.
ModelBuilder& model_of(const std::vector<Expr>& operands, std::string_view op, const Location& at);
Operand operand_of(const Expr& expr, const ModelBuilder& model, const Location& at);
Value* value_of(const Expr& expr, ModelBuilder& model, const Location& at);  // a number becomes an f32 scalar

}  // namespace gradc
