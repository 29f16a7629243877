// The text form of graphs: what is printed parses to the same graph.
//
//   func @train(data %x: f32[64,784], state %w: f32[10,784], scalar %lr: f32[] = 0.01) -> (data %loss, state %w) {
//     %0 = transpose(%w) {permutation = [1, 0]} : f32[784,10]
//     %logits = dot(%x, %0) {…} : f32[64,10] loc("mlp.json":7:5)
//     %y = fusion(%logits) {kind = "loop"} (%a: f32[64,10]) {
//       %1 = exp(%a) : f32[64,10]
//       yield %1
//     } : f32[64,10]
//     return %loss, %w_next
//   }
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "ir/diagnostic.h"
#include "ir/graph.h"

namespace gradc {

struct PrintOptions {
  bool locations = false;
  bool defaults = false;               // also attributes that equal their preset
  std::int64_t literal_elements = 16;  // larger literals are cut ("dense<f32[100]: …>"); -1: never
};

std::string print(const Module& module, const PrintOptions& options = {});
std::string print(const Function& function, const PrintOptions& options = {});

// Reports mistakes as `file:line:col: error: …` and returns null.
std::unique_ptr<Module> parse_module(std::string_view text, const std::string& file, Diagnostics& diagnostics);

// Graphviz.
std::string print_dot(const Function& function);

}  // namespace gradc
