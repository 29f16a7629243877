// Reading and checking models with known answers.
#include "golden.h"

#include <algorithm>
#include <cmath>

#include "compiler/frontend/json.h"
#include "compiler/pipeline.h"
#include "ir/interpret.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "tests/unit/frontend/load.h"

namespace gradc {

namespace {

std::string text_of(const Json& json) {
  std::string text;
  auto joined = [&](const auto& list, auto&& one) {
    for (const auto& item : list) text += (text.empty() ? "" : ", ") + one(item);
    return text;
  };
  switch (json.kind) {
    case Json::Kind::array:
      return "[" + joined(json.items, [](const Json& item) { return text_of(item); }) + "]";
    case Json::Kind::object:
      return "{" +
             joined(json.members,
                    [](const JsonMember& member) { return quote_json(member.key) + ": " + text_of(member.value); }) +
             "}";
    case Json::Kind::string:
      return quote_json(json.text);
    case Json::Kind::number:
      return json.text;
    case Json::Kind::boolean:
      return json.boolean ? "true" : "false";
    default:
      return "null";
  }
}

Tensor tensor_of(const Json& json) {
  const Json* dtype = json.find("dtype");
  Type type{dtype ? *dtype_named(dtype->text) : DType::f64, {}};
  for (const Json& size : json.find("shape")->items) type.shape.push_back(Dim(size.integer));
  std::vector<double> values;
  for (const Json& value : json.find("values")->items) values.push_back(value.number);
  return Tensor::of(type, values);
}

}  // namespace

std::vector<GoldenModel> golden_models(const std::string& file) {
  Diagnostics diagnostics;
  auto root = parse_json(read_file(std::string(GRADC_SOURCE_DIR) + "/tests/golden/" + file), file, diagnostics);
  REQUIRE(root);
  std::vector<GoldenModel> models;
  for (const Json& json : root->items) {
    GoldenModel model{json.find("name")->text, text_of(*json.find("spec")), {}, {}};
    for (const JsonMember& member : json.find("values")->members)
      model.values.emplace(member.key, tensor_of(member.value));
    for (const JsonMember& member : json.find("expected")->members)
      model.expected.emplace(member.key, tensor_of(member.value));
    models.push_back(std::move(model));
  }
  return models;
}

std::unique_ptr<Module> differentiated(const ModelGraph& model, bool optimized, const Binding& binding) {
  auto module = clone_module(*model.module);
  Options options;
  options.verify_each = true;
  specialize(*module, binding, options);
  differentiate(*module, options);
  if (optimized) optimize(*module, options);
  return module;
}

std::map<std::string, Tensor> outputs_of(const Function& function, const std::map<std::string, Tensor>& values) {
  std::vector<Tensor> arguments;
  for (const Parameter& parameter : function.parameters) {
    INFO(parameter.name);
    REQUIRE(values.contains(parameter.name));
    arguments.push_back(values.at(parameter.name));
  }
  std::vector<Tensor> results = interpret(function, arguments);
  std::map<std::string, Tensor> outputs;
  for (std::size_t i = 0; i < results.size(); ++i) outputs.emplace(function.results[i].name, std::move(results[i]));
  return outputs;
}

void check_close(const Tensor& found, const Tensor& expected, double tolerance) {
  REQUIRE(found.type() == expected.type());
  double largest = 1, difference = 0;
  for (std::int64_t i = 0; i < expected.elements(); ++i) largest = std::max(largest, std::abs(expected.get(i)));
  for (std::int64_t i = 0; i < expected.elements(); ++i) {
    double apart = std::abs(found.get(i) - expected.get(i));
    if (!(apart <= difference)) difference = apart;
  }
  CHECK(difference <= tolerance * largest);
}

void check_golden_models(const std::string& file, double tolerance) {
  for (const GoldenModel& golden : golden_models(file)) {
    INFO(golden.name);
    auto model = load(golden.spec);
    CHECK(verify(*model->module).empty());
    CHECK(print(*load(model->resolved)->module) == print(*model->module));
    for (bool optimized : {false, true}) {
      INFO("optimized: " << optimized);
      auto module = differentiated(*model, optimized);
      auto outputs = outputs_of(*module->function("predict"), golden.values);
      CHECK(outputs.size() == golden.expected.size());
      for (const auto& [name, expected] : golden.expected) {
        INFO(name);
        REQUIRE(outputs.contains(name));
        check_close(outputs.at(name), expected, tolerance);
      }
    }
  }
}

}  // namespace gradc
