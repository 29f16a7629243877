// Builds the two regions of a `custom` node.
#include "compiler/frontend/custom.h"

namespace gradc {

namespace {

class Custom {
 public:
  Custom(ModelBuilder& model, const CustomRequest& request) : model_(model), request_(request) {}

  Value* build(const CustomBody& body, const CustomGradient& gradient) {
    std::vector<Value*> operands = values();
    const Op* op = Registry::get().find("custom");
    ensure(op, "the op `custom` is missing");
    std::vector<std::unique_ptr<Region>> regions;
    regions.push_back(write(operands, [&](Region&, const LoopValues& inputs) {
      LoopValue result = body(inputs);
      if (!result.operand.value)
        result.operand = model_.at(result.location).constant(DType::f32, result.operand.number);
      result_ = result.operand.value->type;
      return std::vector<Value*>{result.operand.value};
    }));
    if (!is_float(result_.dtype))
      throw UserError(request_.at,
                      "`" + request_.name + "` has a gradient and yields " + result_.str() + "; only floats have one");
    regions.push_back(write(operands, [&](Region& region, const LoopValues& inputs) {
      Value* result = region.add_parameter(result_, "result");
      Value* cotangent = region.add_parameter(result_, "cotangent");
      return cotangents(inputs, gradient(inputs, result, cotangent));
    }));
    return model_.at(request_.at).make(*op, operands, {}, std::move(regions))[0];
  }

 private:
  std::vector<Value*> values() {
    DType dtype = DType::f32;
    for (const LoopValue& operand : request_.operands)
      if (operand.operand.value) dtype = operand.operand.value->type.dtype;
    std::vector<Value*> found;
    for (const LoopValue& operand : request_.operands)
      found.push_back(operand.operand.value ? operand.operand.value
                                            : model_.at(request_.at).constant(dtype, operand.operand.number));
    return found;
  }

  template <class F>
  std::unique_ptr<Region> write(const std::vector<Value*>& operands, F content) {
    auto region = std::make_unique<Region>();
    LoopValues inputs;
    for (std::size_t i = 0; i < operands.size(); ++i)
      inputs.push_back(region->add_parameter(operands[i]->type, request_.operands[i].name));
    model_.enter(*region, nullptr);
    try {
      region->results = content(*region, inputs);
      check_closed(*region);
    } catch (...) {
      model_.leave();
      model_.abandon(std::move(region));
      throw;
    }
    model_.leave();
    return region;
  }

  std::vector<Value*> cotangents(const LoopValues& inputs, const std::vector<LoopValue>& given) {
    if (given.size() != inputs.size())
      throw UserError(request_.at, "`" + request_.name + "` has " + std::to_string(inputs.size()) +
                                       " operands and gradients for " + std::to_string(given.size()));
    std::vector<Value*> found;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const Type& type = inputs[i]->type;
      const Operand& operand = given[i].operand;
      if (!is_float(type.dtype)) continue;
      found.push_back(operand.value ? operand.value : model_.at(given[i].location).full(type, operand.number));
      if (found.back()->type != type)
        throw UserError(given[i].location, "`" + request_.name + "`: the gradient of `" + request_.operands[i].name +
                                               "` is " + found.back()->type.str() + ", `" + request_.operands[i].name +
                                               "` is " + type.str() + "; they must have one type");
    }
    return found;
  }

  void check_closed(const Region& region) const {
    auto check = [&](const Value* value, const Location& at) {
      const bool constant = value->node && value->node->op->irregular == Irregular::constant;
      if (value->region == &region || constant) return;
      std::string what = value->name.empty() ? "a value" : "`" + value->name + "`";
      throw UserError(at, "`" + request_.name + "` has a gradient of its own, so it can read its operands only; " +
                              what + " is from outside: make it an operand");
    };
    for (const auto& node : region.nodes)
      for (const Value* operand : node->operands)
        check(operand, node->locations.empty() ? request_.at : node->locations.front());
    for (const Value* result : region.results) check(result, request_.at);
  }

  ModelBuilder& model_;
  const CustomRequest& request_;
  Type result_;
};

}  // namespace

Value* custom(ModelBuilder& model, const CustomRequest& request, const CustomBody& body,
              const CustomGradient& gradient) {
  return Custom(model, request).build(body, gradient);
}

}  // namespace gradc
