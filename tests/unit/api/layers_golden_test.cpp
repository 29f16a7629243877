// Layers against PyTorch: tests/golden/layers.json, written by make_layers.py.
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "compiler/passes/pass.h"
#include "ir/interpret.h"
#include "tests/unit/frontend/load.h"

using namespace gradc;
using Json = nlohmann::json;

namespace {

Tensor tensor_of(const Json& json) {
  Type type{DType::f64, {}};
  for (std::int64_t size : json["shape"]) type.shape.emplace_back(size);
  return Tensor::of(type, json["values"].get<std::vector<double>>());
}

std::string type_of(const Json& json) { return tensor_of(json).type().str(); }

// The case as a spec whose outputs are y and the gradients of sum(u * y).
std::string spec_of(const Json& item) {
  Json spec = {{"gradc", 1}, {"name", "golden"}, {"graph", item["graph"]}};
  for (const auto& [name, x] : item["inputs"].items()) spec["inputs"][name] = type_of(x);
  spec["inputs"]["u"] = type_of(item["u"]);
  if (!spec["graph"][0].contains("x") && item["inputs"].contains("x")) spec["graph"][0]["x"] = "x";
  spec["outputs"] = {{"y", "y"}};
  int count = 0;
  for (const auto& [name, gradient] : item["gradients"].items())
    spec["outputs"]["g" + std::to_string(count++)] = "grad(sum(u * y), " + name + ")";
  return spec.dump();
}

// Sums of some dozens of products near 1.
void check_close(const Tensor& actual, const Json& expected) {
  Tensor wanted = tensor_of(expected);
  REQUIRE(actual.type() == wanted.type());
  for (std::int64_t i = 0; i < actual.elements(); ++i) {
    INFO("element " << i);
    CHECK(std::abs(actual.get(i) - wanted.get(i)) <= 1e-12 * std::max(1.0, std::abs(wanted.get(i))));
  }
}

}  // namespace

TEST_CASE("layers and their gradients agree with PyTorch") {
  Json cases = Json::parse(read_file(std::string(GRADC_SOURCE_DIR) + "/tests/golden/layers.json"));
  REQUIRE(cases.size() >= 40);
  for (const Json& item : cases) {
    INFO(item["graph"].dump());
    auto model = load(spec_of(item));
    run_pass(*find_pass("inline_calls"), *model->module, {});
    run_pass(*find_pass("grad"), *model->module, {});
    const Function& function = *model->module->function("predict");
    std::vector<Tensor> arguments;
    for (const Parameter& parameter : function.parameters) {
      INFO(parameter.name);
      if (item["inputs"].contains(parameter.name))
        arguments.push_back(tensor_of(item["inputs"][parameter.name]));
      else if (item["parameters"].contains(parameter.name))
        arguments.push_back(tensor_of(item["parameters"][parameter.name]));
      else if (parameter.name == "u")
        arguments.push_back(tensor_of(item["u"]));
      else  // running statistics as they begin
        arguments.push_back(Tensor::of({DType::f64, {2}}, parameter.name == "y.running_var"
                                                              ? std::vector<double>{1, 1}
                                                              : std::vector<double>{0, 0}));
      CHECK(arguments.back().type() == function.body.parameters[arguments.size() - 1]->type);
    }
    std::vector<Tensor> results = interpret(function, arguments);
    std::map<std::string, Tensor> by_name;
    for (std::size_t i = 0; i < results.size(); ++i) by_name.emplace(function.results[i].name, results[i]);
    check_close(by_name.at("y"), item["y"]);
    int count = 0;
    for (const auto& [name, gradient] : item["gradients"].items()) {
      INFO("gradient by " << name);
      check_close(by_name.at("g" + std::to_string(count++)), gradient);
    }
  }
}
