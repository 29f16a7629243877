// The steps between an input as the data has it and the value that the graph reads: statistics of the training data
// taken out, labels one-hot, and random changes in training, all of them nodes of the graph.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/frontend/model_builder.h"

namespace gradc {

// What is written as the value of a step: { "shift": 2 }.
enum class InputStepKind : std::uint8_t { extent, direction, classes, pixels, side, number };

struct InputStepSpec {
  std::string name, doc;
  InputStepKind kind = InputStepKind::number;
  std::vector<std::string> words;  // of an extent or a direction
  bool random = false;             // in training; the identity in evaluation
};
const std::vector<InputStepSpec>& input_steps();  // sorted by name
const InputStepSpec* find_input_step(std::string_view name);

struct InputStep {
  const InputStepSpec* spec = nullptr;
  std::string word;               // extent, direction
  std::int64_t size = 0;          // classes, side
  IntList pixels;                 // one, or one for each spatial dimension
  double number = 0;              // deviation, strength
  std::vector<std::string> with;  // mixup: inputs that are mixed alike
  Location location;
};

// The value after the step. UserError at the step's place where it does not fit the value.
Value* apply_step(ModelBuilder& model, Value* input, const InputStep& step, Value* value);

// Mixes each example of all values with its partner in the batch, in one proportion (Zhang et al., mixup, 2018).
std::vector<Value*> mix(ModelBuilder& model, const InputStep& step, std::span<Value* const> values);

}  // namespace gradc
