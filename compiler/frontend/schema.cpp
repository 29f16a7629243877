// The JSON Schema of specs, from the registry and the tables of layers, initialisers and optimizers.
#include <nlohmann/json.hpp>
#include <utility>

#include "compiler/frontend/input_pipeline.h"
#include "compiler/frontend/json.h"
#include "compiler/frontend/layers.h"
#include "compiler/frontend/spec_reader.h"
#include "ir/op.h"

namespace gradc {

namespace {

using Schema = nlohmann::ordered_json;

Schema ref(const std::string& name) { return {{"$ref", "#/definitions/" + name}}; }

Schema with_doc(Schema schema, const std::string& doc) {
  if (!doc.empty()) schema["description"] = doc;
  return schema;
}

// An object with these keys and no others.
Schema closed(Schema properties, const std::vector<std::string>& required = {}) {
  Schema schema = {{"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
  if (!required.empty()) schema["required"] = required;
  return schema;
}

Schema any_of(std::vector<Schema> options) { return {{"anyOf", std::move(options)}}; }
Schema list_of(Schema items) { return {{"type", "array"}, {"items", std::move(items)}}; }
Schema map_of(Schema values) { return {{"type", "object"}, {"additionalProperties", std::move(values)}}; }

Schema definitions() {
  Schema all;
  all["name"] = {{"type", "string"}, {"pattern", "^[A-Za-z_][A-Za-z0-9_]*(\\.[A-Za-z0-9_]+)*$"}};
  // Below a block's name, which may begin with a digit, any name may stand: "3a.conv".
  all["node_name"] = {
      {"type", "string"},
      {"pattern", "^([A-Za-z_][A-Za-z0-9_]*(\\.[A-Za-z0-9_]+)*|[0-9][A-Za-z0-9_]*(\\.[A-Za-z0-9_]+)+)$"}};
  all["block_name"] = {{"type", "string"}, {"pattern", "^[A-Za-z0-9_]+(\\.[A-Za-z0-9_]+)*$"}};
  all["type"] = with_doc({{"type", "string"}, {"pattern", "^(f32|f64|i32|i64|u32|u8|bool)\\[.*\\]$"}},
                         "dtype and shape, as in f32[N,784]; N is the batch");
  all["number"] = with_doc({{"type", {"number", "string"}}}, "a number, or an expression over variables");
  all["integer"] = with_doc({{"type", {"integer", "string"}}}, "an integer, or an expression over variables");
  all["size"] = any_of({{{"type", "integer"}, {"minimum", 1}}, {{"type", "string"}}});
  all["sizes"] = any_of({ref("size"), list_of(ref("size"))});
  all["padding"] = any_of({{{"type", "integer"}, {"minimum", 0}}, {{"type", "string"}}, list_of(ref("integer"))});
  all["expression"] =
      with_doc({{"type", {"string", "number"}}}, "an expression over names, ops and + - * / @ ** and comparisons");
  all["names"] = any_of({{{"type", "string"}}, list_of({{"type", "string"}})});
  all["elements"] = any_of({ref("number"), {{"type", "boolean"}}, list_of(ref("elements"))});
  std::string docs;
  for (const InitializerSpec& spec : initializers()) {
    std::string arguments;
    for (const InitializerArgument& argument : spec.arguments)
      arguments += (arguments.empty() ? "" : ", ") + argument.name;
    docs += (docs.empty() ? "" : "; ") + spec.name + (arguments.empty() ? "" : "(" + arguments + ")") + ": " + spec.doc;
  }
  Schema file = closed({{"file", with_doc({{"type", "string"}}, ".npy, .npz or .safetensors, from the spec's folder")},
                        {"name", with_doc({{"type", "string"}}, "the array, where the file holds several")}},
                       {"file"});
  all["initializer"] = with_doc(any_of({{{"type", "string"}}, ref("elements"), file}), docs);
  return all;
}

struct ToSchemaDefault {
  Schema operator()(const Initializer& value) const { return str(value); }
  Schema operator()(DType value) const { return std::string(name_of(value)); }
  Schema operator()(const Shape& value) const {
    Schema list = Schema::array();
    for (const Dim& dim : value) list.push_back(dim.is_static() ? Schema(dim.factor) : Schema(dim.str()));
    return list;
  }
  Schema operator()(const Literal&) const { return nullptr; }
  template <class T>
  Schema operator()(const T& value) const {
    return value;
  }
};

Schema attribute_schema(const LayerAttribute& attribute) {
  constexpr const char* names[] = {"", "size", "number", "sizes", "padding", "initializer"};
  Schema schema = attribute.kind == LayerAttributeKind::boolean  ? Schema{{"type", "boolean"}}
                  : attribute.kind == LayerAttributeKind::choice ? Schema{{"enum", attribute.choices}}
                                                                 : ref(names[static_cast<int>(attribute.kind)]);
  std::string doc = attribute.doc;
  if (attribute.preset) {
    // A sibling of $ref is no schema; the default stands beside it in draft 2019-09, and in an allOf before.
    if (schema.contains("$ref")) schema = {{"allOf", Schema::array({schema})}};
    schema["default"] = std::visit(ToSchemaDefault{}, *attribute.preset);
  } else if (!attribute.derived.empty()) {
    doc += "; default: " + attribute.derived;
  }
  if (schema.contains("$ref")) schema = {{"allOf", Schema::array({schema})}};
  return with_doc(schema, doc);
}

Schema attribute_schema(const AttributeSpec& attribute) {
  Schema schema;
  switch (attribute.kind) {
    case AttributeKind::boolean:
      schema = {{"type", "boolean"}};
      break;
    case AttributeKind::integer:
      schema = {{"type", {"integer", "string"}}};
      break;
    case AttributeKind::number:
      schema = {{"type", {"number", "string"}}};
      break;
    case AttributeKind::string:
      schema = {{"type", "string"}};
      break;
    case AttributeKind::dtype:
      schema = {{"enum", {"f32", "f64", "i32", "i64", "u32", "u8", "bool"}}};
      break;
    case AttributeKind::int_list:
      schema = any_of({ref("integer"), list_of(ref("integer"))});
      break;
    case AttributeKind::shape:
      schema = list_of(ref("integer"));
      break;
    case AttributeKind::literal:
      schema = Schema::object();
      break;
  }
  if (attribute.preset) schema["default"] = std::visit(ToSchemaDefault{}, *attribute.preset);
  return with_doc(schema, attribute.doc);
}

Schema operand_schema(const OperandSpec& operand) {
  Schema schema =
      operand.variadic ? any_of({ref("expression"), list_of(ref("expression"))}) : any_of({ref("expression")});
  return with_doc(schema, operand.doc);
}

// A node with this "op": chosen by the value of the key, so that a validator tells which key is wrong.
Schema when_op(const std::string& op, Schema then) {
  return {{"if", {{"properties", {{"op", {{"const", op}}}}}, {"required", {"op"}}}}, {"then", std::move(then)}};
}

Schema layer_schema(const LayerSpec& layer) {
  Schema properties = {{"op", {{"const", layer.name}}},
                       {"name", ref("node_name")},
                       {"repeat", ref("size")},
                       {"share", {{"type", "string"}}}};
  for (const OperandSpec& operand : layer.operands) properties[operand.name] = operand_schema(operand);
  for (const LayerAttribute& attribute : layer.attributes) properties[attribute.name] = attribute_schema(attribute);
  std::vector<std::string> required = {"op"};
  return with_doc(closed(std::move(properties), required), layer.doc);
}

Schema op_schema(const Op& op) {
  Schema properties = {{"op", {{"const", op.name}}}, {"name", ref("node_name")}, {"repeat", ref("size")}};
  for (const OperandSpec& operand : op.operands) properties[operand.name] = operand_schema(operand);
  std::vector<std::string> required = {"op"};
  for (const AttributeSpec& attribute : op.attributes) {
    properties[attribute.name] = attribute_schema(attribute);
    if (!attribute.preset) required.push_back(attribute.name);
  }
  return with_doc(closed(std::move(properties), required), op.doc);
}

// What stands under `scan`, `while` and `cond`.
std::vector<std::pair<std::string, Schema>> loop_schemas() {
  Schema values = map_of(ref("expression")), nodes = list_of(ref("node")), expression = any_of({ref("expression")});
  Schema carry = with_doc(values, "values by name that a round takes and renews, as they begin");
  Schema next = with_doc(values, "what the carried values become");
  Schema graph = with_doc(nodes, "nodes of a round; names from outside are known");
  Schema scan = closed({{"carry", carry},
                        {"over", with_doc(values, "values of which each round takes a slice of the first dimension")},
                        {"length", with_doc(any_of({ref("integer")}), "number of rounds; default: that of `over`")},
                        {"reverse", {{"type", "boolean"}, {"default", false}}},
                        {"graph", graph},
                        {"next", next},
                        {"emit", with_doc(values, "results of every round, stacked along a new first dimension")}});
  Schema until = closed({{"carry", carry},
                         {"condition", with_doc(expression, "a bool[] over the carried values")},
                         {"max_trips", with_doc(any_of({ref("size")}), "the most rounds; needed for a gradient")},
                         {"graph", graph},
                         {"next", next}},
                        {"carry", "condition", "next"});
  Schema branch = any_of(
      {ref("expression"), closed({{"graph", graph}, {"value", any_of({ref("expression"), values})}}, {"value"})});
  Schema cond =
      closed({{"if", with_doc(expression, "a bool[]")}, {"then", branch}, {"else", branch}}, {"if", "then", "else"});
  return {{"scan", scan}, {"while", until}, {"cond", cond}};
}

Schema node_schema() {
  Schema conditions = Schema::array();
  for (const LayerSpec& layer : layers()) conditions.push_back(when_op(layer.name, layer_schema(layer)));
  for (const Op* op : Registry::get().all())
    if (!op->internal && !find_layer(op->name)) conditions.push_back(when_op(op->name, op_schema(*op)));
  Schema value = closed({{"name", ref("node_name")}, {"value", ref("expression")}}, {"value"});
  conditions.push_back({{"if", {{"required", {"value"}}, {"not", {{"required", {"op"}}}}}}, {"then", value}});
  for (const auto& [kind, body] : loop_schemas())
    conditions.push_back(
        {{"if", {{"required", {kind}}}}, {"then", closed({{"name", ref("node_name")}, {kind, body}}, {"name", kind})}});
  Schema node = {{"type", "object"}};
  node["properties"] = {{"op", {{"type", "string"}}},
                        {"block", with_doc({{"type", "string"}}, "a name of `blocks`; its arguments stand beside it")},
                        {"name", ref("block_name")},
                        {"share", with_doc({{"type", "string"}}, "a layer or block whose parameters are used again")},
                        {"repeat", with_doc(ref("size"), "copies, chained through their first operand")},
                        {"value", ref("expression")}};
  node["anyOf"] = Schema::array();
  for (const char* key : {"op", "block", "value", "share", "scan", "while", "cond"})
    node["anyOf"].push_back({{"required", {key}}});
  node["allOf"] = std::move(conditions);
  return node;
}

Schema schedule_schema(const ScheduleSpec& spec) {
  Schema properties = {{"schedule", {{"const", spec.name}}}};
  std::vector<std::string> required = {"schedule"};
  for (const ScheduleNumber& number : spec.numbers) {
    std::string doc = number.doc;
    Schema schema = {{"type", {"number", "string"}}};
    if (number.preset)
      schema["default"] = *number.preset;
    else if (number.share_of.empty())
      required.push_back(number.name);
    else
      doc += "; default: " + number_text(number.share) + " of " + number.share_of;
    properties[number.name] = with_doc(schema, doc);
  }
  if (spec.length != ScheduleSpec::Length::none) {
    Schema length = spec.length == ScheduleSpec::Length::several ? any_of({ref("number"), list_of(ref("number"))})
                                                                 : any_of({ref("number")});
    properties["epochs"] = with_doc(length, "the length, in epochs of the program");
    properties["steps"] = with_doc(length, "the length, in steps of the program");
  }
  properties["warm_up"] = with_doc(closed({{"epochs", ref("number")}, {"steps", ref("number")}}),
                                   "rises to the first value so long; the schedule begins after it");
  return with_doc(closed(std::move(properties), required), spec.doc);
}

Schema optimizer_schema(const OptimizerSpec& spec) {
  Schema properties = {{"kind", {{"const", spec.name}}}};
  for (const Hyperparameter& number : spec.numbers) {
    Schema schema = any_of({{{"type", {"number", "string"}}}, ref("schedule")});
    schema["default"] = number.preset;
    properties[number.name] = with_doc(schema, number.doc);
  }
  for (const auto& [flag, doc] : spec.flags)
    properties[flag] = with_doc({{"type", "boolean"}, {"default", false}}, doc);
  return with_doc(closed(std::move(properties), {"kind"}), spec.doc);
}

Schema report_schema() {
  return closed(
      {{"value", with_doc(any_of({ref("expression")}), "a value per example")},
       {"reduce", with_doc({{"enum", reduce_names()}}, "how one number comes of them; default: mean")},
       {"weight", with_doc(any_of({ref("expression")}), "how often each value counts in the mean; default: 1")},
       {"target", with_doc(any_of({ref("expression")}), "confusion: the true classes")},
       {"classes", with_doc(any_of({ref("size")}), "confusion: how many")}},
      {"value"});
}

Schema monitor_schema() {
  Schema name = {{"type", "string"}};
  return with_doc(any_of({name, closed({{"highest", name}}, {"highest"}), closed({{"lowest", name}}, {"lowest"})}),
                  "the metric that decides which epoch is best; default: loss");
}

Schema stage_schema() {
  Schema properties = {
      {"program", with_doc({{"type", "string"}}, "a program that trains")},
      {"alternate", with_doc(map_of(ref("size")), "programs that take turns, each so many steps")},
      {"name", with_doc({{"type", "string"}}, "in metrics; default: of its programs")},
      {"epochs", with_doc(any_of({ref("size")}), "default: the first program's")},
      {"batch", with_doc(any_of({ref("size")}), "default: the first program's")},
      {"monitor", monitor_schema()},
      {"patience", with_doc(any_of({ref("integer")}), "epochs without a better one before the stage ends")}};
  Schema schema = closed(std::move(properties));
  schema["oneOf"] = Schema::array({{{"required", {"program"}}}, {{"required", {"alternate"}}}});
  return schema;
}

Schema program_schema() {
  std::vector<Schema> kinds;
  Schema names = Schema::array();
  for (const OptimizerSpec& spec : optimizers()) {
    kinds.push_back(optimizer_schema(spec));
    names.push_back(spec.name);
  }
  kinds.push_back({{"enum", names}});
  return closed({{"minimize", with_doc(any_of({ref("expression")}), "a scalar; the program runs in training mode")},
                 {"maximize", with_doc(any_of({ref("expression")}), "a scalar; the program runs in training mode")},
                 {"optimizer", any_of(kinds)},
                 {"epochs", with_doc({{"type", {"integer", "string"}}, {"default", 10}}, "passes over the data")},
                 {"accumulate", with_doc({{"type", {"integer", "string"}}, {"default", 1}},
                                         "one update for so many batches, with the mean of their gradients")},
                 {"parameters", with_doc(any_of({ref("names")}), "globs: what is trained; default: all")},
                 {"report", with_doc(map_of(any_of({ref("expression"), report_schema()})),
                                     "values per example, averaged over examples")},
                 {"monitor", monitor_schema()},
                 {"patience", with_doc(any_of({ref("integer")}), "epochs without a better one before it stops")},
                 {"batch", with_doc({{"type", {"integer", "string"}}, {"default", 64}}, "examples of a step")}});
}

Schema input_step_schema() {
  std::vector<Schema> kinds;
  for (const InputStepSpec& step : input_steps()) {
    Schema value;
    switch (step.kind) {
      case InputStepKind::extent:
      case InputStepKind::direction:
        value = {{"enum", step.words}};
        break;
      case InputStepKind::classes:
      case InputStepKind::side:
        value = any_of({ref("size")});
        break;
      case InputStepKind::pixels:
        value = any_of({ref("integer"), list_of(ref("integer"))});
        break;
      case InputStepKind::number:
        value = any_of({ref("number")});
        break;
    }
    Schema properties = {{step.name, with_doc(std::move(value), step.doc)}};
    if (step.name == "mixup") properties["with"] = with_doc(any_of({ref("names")}), "inputs that are mixed alike");
    kinds.push_back(closed(std::move(properties), {step.name}));
  }
  return any_of(kinds);
}

Schema input_schema() {
  Schema steps = with_doc(list_of(input_step_schema()), "steps between the data and the graph");
  return any_of({ref("type"), closed({{"type", ref("type")}, {"prepare", steps}}, {"type"})});
}

Schema data_set_schema() {
  Schema generate = {{"type", "object"}, {"required", {"kind"}}};
  generate["properties"] = {{"kind", {{"enum", data_generators()}}}};
  generate["additionalProperties"] = ref("number");
  Schema set = {{"type", "object"}, {"additionalProperties", any_of({ref("names")})}};
  set["properties"] = {{"format", {{"enum", data_formats()}}}, {"generate", generate}};
  set["description"] = "files by input name, with --data DIR; or a generator";
  return set;
}

Schema block_schema() {
  Schema arguments = any_of({ref("names"), map_of({{"type", {"number", "string", "null"}}})});
  return closed({{"operands", with_doc(any_of({ref("names")}), "default: x")},
                 {"arguments", with_doc(arguments, "names of numbers, with presets where they have one")},
                 {"graph", list_of(ref("node"))},
                 {"result", with_doc({{"type", "string"}}, "the node handed out; default: the last")}},
                {"graph"});
}

}  // namespace

std::string json_schema() {
  Schema schema = {
      {"$schema", "http://json-schema.org/draft-07/schema#"}, {"title", "gradc model spec"}, {"type", "object"}};
  Schema fraction = closed(
      {{"fraction", with_doc(any_of({ref("number")}), "share of the training examples, taken after the shuffle")}});
  Schema seed = {{"type", {"integer", "string"}}, {"default", 0}};
  Schema folds = with_doc(closed({{"kind", {{"const", "k_fold"}}},
                                  {"folds", {{"type", {"integer", "string"}}, {"minimum", 2}, {"default", 5}}},
                                  {"fold", {{"type", {"integer", "string"}}, {"minimum", 0}, {"default", 0}}},
                                  {"seed", seed}},
                                 {"kind"}),
                          "one fold of the training examples validates, the others train");
  Schema bootstrap = with_doc(closed({{"kind", {{"const", "bootstrap"}}}, {"seed", seed}}, {"kind"}),
                              "trains on as many draws with replacement; what was not drawn validates");
  Schema properties;
  properties["$schema"] = {{"type", "string"}};
  properties["gradc"] = with_doc({{"const", 1}}, "version of the spec");
  properties["name"] = ref("name");
  properties["description"] = {{"type", "string"}};
  properties["variables"] =
      with_doc(map_of(ref("number")), "numbers by name, usable wherever a number is; --set overrides them");
  properties["inputs"] = map_of(input_schema());
  properties["parameters"] =
      map_of(any_of({ref("type"), closed({{"type", ref("type")}, {"init", ref("initializer")}}, {"type"})}));
  properties["constants"] =
      map_of(any_of({ref("elements"), closed({{"type", ref("type")}, {"value", ref("elements")}}, {"value"})}));
  properties["functions"] = map_of(closed(
      {{"operands", ref("names")},
       {"arguments", map_of(ref("number"))},
       {"value", {{"type", "string"}}},
       {"gradient", with_doc(map_of({{"type", "string"}}),
                             "by operand: an expression of the operands, `result` and `cotangent`; default: derived")}},
      {"value"}));
  properties["blocks"] = map_of(block_schema());
  properties["graph"] = list_of(ref("node"));
  properties["outputs"] =
      with_doc(map_of(ref("expression")), "what `predict` hands out; default: the last node, with all its results");
  properties["regularize"] =
      list_of(closed({{"l1", with_doc(any_of({ref("number")}), "adds l1 · Σ|w| to the objective")},
                      {"l2", with_doc(any_of({ref("number")}), "adds l2 · Σw² to the objective")},
                      {"on", with_doc(any_of({ref("names")}), "globs; default: all parameters")}}));
  properties["freeze"] = with_doc(any_of({ref("names")}), "globs: parameters that no program trains");
  properties["programs"] = map_of(program_schema());
  properties["plan"] = with_doc(list_of(stage_schema()), "stages of training, one after the other");
  Schema carried = closed({{"start", ref("expression")}, {"next", ref("expression")}}, {"start", "next"});
  Schema sequence =
      closed({{"carry", map_of(carried)},
              {"graph", list_of(ref("node"))},
              {"draw", with_doc(any_of({ref("expression")}), "logits of the token that a round draws")},
              {"emit", with_doc(any_of({ref("expression")}), "default: drawn")},
              {"length", with_doc(any_of({ref("size")}), "rounds")},
              {"stop", with_doc(any_of({ref("integer")}), "the token that ends a sequence")},
              {"prompt", with_doc(list_of(ref("integer")), "tokens that the first rounds take instead of drawing")},
              {"temperature", {{"type", {"number", "string"}}, {"default", 1}}}},
             {"length"});
  properties["sample"] = with_doc(any_of({closed({{"outputs", map_of(ref("expression"))}}, {"outputs"}), sequence}),
                                  "what `gradc sample` draws, in evaluation mode");
  properties["data"] = closed({{"train", ref("data_set")},
                               {"validation", any_of({fraction, ref("data_set")})},
                               {"test", ref("data_set")},
                               {"resample", any_of({folds, bootstrap})},
                               {"batch", ref("size")}});
  schema["properties"] = std::move(properties);
  schema["required"] = {"inputs"};
  schema["additionalProperties"] = false;
  schema["definitions"] = definitions();
  schema["definitions"]["node"] = node_schema();
  schema["definitions"]["data_set"] = data_set_schema();
  std::vector<Schema> kinds;
  for (const ScheduleSpec& spec : schedules()) kinds.push_back(schedule_schema(spec));
  schema["definitions"]["schedule"] = with_doc(any_of(kinds), "a number that follows the steps of its program");
  return schema.dump(2) + "\n";
}

}  // namespace gradc
