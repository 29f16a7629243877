// Data sets that are computed instead of read.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gradc/dataset.h"
#include "gradc/random.h"

namespace gradc::runtime {

// Runs a generator. Of the inputs, the one whose example has as many elements as the generator's points is given the
// points, another one the labels: as numbers, or one-hot where it has as many elements as there are classes.
DataSet generate(const std::string& name, std::span<const std::pair<std::string, double>> options,
                 std::span<const Array> inputs);

// Draws a digit into 28x28 grey values, white on black: strokes through a random affine map and a slight warp, of
// random width and brightness, with noise of the given deviation (of 1 = white).
void draw_glyph(int digit, double noise, Random& random, std::span<std::uint8_t, 784> pixels);

}  // namespace gradc::runtime
