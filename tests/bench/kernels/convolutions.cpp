// Convolutions of published networks, forward and with respect to input and weights, channels last as training has
// them.
#include "tests/bench/kernels/peers.h"

namespace gradc::bench {

namespace {

std::string image(std::int64_t batch, std::int64_t size, std::int64_t channels) {
  return "f32[" + std::to_string(batch) + "," + std::to_string(size) + "," + std::to_string(size) + "," +
         std::to_string(channels) + "]";
}

std::string shape_of(const std::string& type) { return "shape" + type.substr(3); }

std::string graph(const ConvolutionShape& s, Pass pass) {
  const auto pair = [](std::int64_t n) { return "[" + std::to_string(n) + ", " + std::to_string(n) + "]"; };
  const std::string x = image(s.batch, s.size, s.channels), y = image(s.batch, s.result(), s.filters);
  const std::string w = "f32[" + std::to_string(s.filters) + "," + std::to_string(s.channels / s.groups) + "," +
                        std::to_string(s.kernel) + "," + std::to_string(s.kernel) + "]";
  const std::string attributes = "stride = " + pair(s.stride) + ", low = " + pair(s.padding) +
                                 ", high = " + pair(s.padding) +
                                 ", dilation = [1, 1], groups = " + std::to_string(s.groups) + ", channels_last = true";
  const std::string head = "func @f(data %x: " + x + ", data %w: " + w + ", data %g: " + y + ") -> (data y) {\n";
  if (pass == Pass::forward) return head + "  %y = convolution(%x, %w) {" + attributes + "}\n  return %y\n}";
  if (pass == Pass::data)
    return head + "  %y = convolution_input_gradient(%g, %w) {" + attributes + ", shape = " + shape_of(x) +
           "}\n  return %y\n}";
  return head + "  %y = convolution_weight_gradient(%x, %g) {" + attributes + ", shape = " + shape_of(w) +
         "}\n  return %y\n}";
}

Case convolution(const std::string& name, const ConvolutionShape& s, Pass pass) {
  Case c;
  c.group = "convolutions";
  c.name = name + (pass == Pass::forward ? " forward" : pass == Pass::data ? " data" : " weights");
  c.graph = graph(s, pass);
  c.flops = 2.0 * static_cast<double>(s.batch * s.result() * s.result() * s.filters * (s.channels / s.groups) *
                                      s.kernel * s.kernel);
  const auto peer = std::make_shared<ConvolutionPeer>();
  c.peers = [=](Compiled& run) {
    *peer = convolution_peer(s, pass, run.input(0).data(), run.input(1).data(), run.input(2).data());
    return peer->peers;
  };
  c.difference = [peer](Compiled& run) {
    std::vector<float> result;
    peer->result(result);
    return largest_difference(run.output(0), result);
  };
  return c;
}

}  // namespace

std::vector<Case> convolutions() {
  struct Row {
    const char* name;
    ConvolutionShape shape;  // batch, channels, size, filters, kernel, stride, padding, groups
    bool first = false;      // nothing wants the gradient of its input
  };
  const Row rows[] = {
      {"lenet conv1 5x5 1-20@28", {64, 1, 28, 20, 5, 1, 2}, true},
      {"lenet conv2 5x5 20-50@14", {64, 20, 14, 50, 5, 1, 2}},
      {"vgg 3x3 3-64@32", {32, 3, 32, 64, 3, 1, 1}, true},
      {"vgg 3x3 64-64@32", {32, 64, 32, 64, 3, 1, 1}},
      {"vgg 3x3 64-128@16", {32, 64, 16, 128, 3, 1, 1}},
      {"vgg 3x3 128-128@16", {32, 128, 16, 128, 3, 1, 1}},
      {"vgg 3x3 256-256@8", {32, 256, 8, 256, 3, 1, 1}},
      {"vgg16 3x3 64-64@112", {2, 64, 112, 64, 3, 1, 1}},
      {"vgg16 3x3 512-512@14", {4, 512, 14, 512, 3, 1, 1}},
      {"resnet 3x3/2 64-128@56", {4, 64, 56, 128, 3, 2, 1}},
      {"resnet 1x1/2 64-128@56", {4, 64, 56, 128, 1, 2, 0}},
      {"resnet 7x7/2 3-64@224", {4, 3, 224, 64, 7, 2, 3}, true},
      {"inception 1x1 192-64@28", {8, 192, 28, 64, 1, 1, 0}},
      {"inception 1x1 192-16@28", {8, 192, 28, 16, 1, 1, 0}},
      {"inception 3x3 96-128@28", {8, 96, 28, 128, 3, 1, 1}},
      {"inception 5x5 16-32@28", {8, 16, 28, 32, 5, 1, 2}},
      {"alexnet 11x11/4 3-96@227", {8, 3, 227, 96, 11, 4, 0}, true},
      {"alexnet 5x5 96-256@27", {8, 96, 27, 256, 5, 1, 2}},
      {"alexnet 3x3 256-384@13", {8, 256, 13, 384, 3, 1, 1}},
      {"mobilenet depthwise 3x3 64@56", {8, 64, 56, 64, 3, 1, 1, 64}},
      {"mobilenet depthwise 3x3/2 128@56", {8, 128, 56, 128, 3, 2, 1, 128}},
  };
  std::vector<Case> cases;
  for (const Row& row : rows)
    for (Pass pass : {Pass::forward, Pass::data, Pass::weights})
      if (pass != Pass::data || !row.first) cases.push_back(convolution(row.name, row.shape, pass));
  return cases;
}

}  // namespace gradc::bench
