// What the files of layers share: checks of inputs, sliding windows, parameters and attributes that many have.
#pragma once

#include <string>
#include <vector>

#include "compiler/frontend/layers.h"

namespace gradc {

// Each file of layers adds its rows.
void add_convolution_layers(std::vector<LayerSpec>& table);
void add_dense_layers(std::vector<LayerSpec>& table);
void add_normalization_layers(std::vector<LayerSpec>& table);
void add_pooling_layers(std::vector<LayerSpec>& table);
void add_random_layers(std::vector<LayerSpec>& table);
void add_recurrent_layers(std::vector<LayerSpec>& table);

std::string by(const IntList& list);  // "5x3"

// Checks of the first operand; UserError.
void need_rank(const LayerCall& call, std::size_t rank, std::string_view form);
void need_float(const LayerCall& call);
// "[N, channels, spatial…]" with at least so many dimensions.
void need_image(const LayerCall& call, std::size_t least_rank = 3);
// The size of a dimension, which must be a number.
std::int64_t fixed(const LayerCall& call, std::size_t dimension);

// Where a window of some spatial dimensions moves: the sizes around x [N, C, spatial…].
struct Sliding {
  IntList window, stride, low, high, dilation;

  std::int64_t reach(std::size_t d) const { return (window[d] - 1) * dilation[d] + 1; }
};
// Reads window, stride, padding and, where there is one, dilation; their sizes fit i32, the input is an image.
Sliding read_window(LayerCall& call, std::string_view window_name, std::size_t rank);
// The same with the padding worked out: the window fits, and a stride that leaves positions over is warned of.
Sliding slide(LayerCall& call, std::string_view window_name, std::size_t rank);
// Whether the padding is "same".
bool pads_same(const LayerCall& call);

Initializer uniform_within(double bound);
// A bias's default: uniform in ±1/sqrt(fan_in), as PyTorch's.
Term bias_of(LayerCall& call, DType dtype, std::int64_t length, double fan_in);
// Uniform numbers in [0, 1) of the layer's own stream, fresh in every step.
Term uniform_of_step(LayerCall& call, const Shape& shape);

const std::vector<OperandSpec>& one_input();  // x
LayerAttribute weight_init();
LayerAttribute bias_switch();
LayerAttribute bias_init();

}  // namespace gradc
