// What `gradc plot` draws; plot.cpp has the command line.
#pragma once

#include <string>
#include <vector>

#include "compiler/driver/run_arguments.h"

namespace gradc::driver {

struct CurvesRequest {
  std::vector<std::string> runs;    // run directories, or metrics.jsonl files
  std::vector<std::string> splits;  // empty: all that have the metric
  std::string metric = "loss";
  bool logarithmic = false;
};
std::string plot_curves(const CurvesRequest& request);  // SVG

struct RegionsRequest {
  SpecArguments spec;
  CompileArguments compile;
  DataArguments data;
  std::string weights, output, split = "train";
  double threshold = 0.5;
};
std::string plot_regions(ModelGraph& model, const RegionsRequest& request);  // SVG

// How arrays become tiles of one picture.
struct GridRequest {
  std::string scale = "auto";  // auto, each, all
  std::string shape;           // of one tile, "28x28" or "3x32x32"; "": from the array
  std::int64_t columns = 0;    // 0: chosen
  std::int64_t zoom = 0;       // pixels for each of a tile; 0: chosen
};
// An array of examples, filters or feature maps as a PNG. UserError where its shape is no image's.
std::string grid_png(const runtime::Column& array, const GridRequest& request);

}  // namespace gradc::driver
