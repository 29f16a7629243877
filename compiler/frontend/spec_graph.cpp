// Nodes and blocks of a spec.
//
// A list of nodes is read in three steps: what each one is and which names it reads; an order in which all names are
// known, so that a node may stand before what it reads, and a cycle is found; building in that order.
#include <algorithm>

#include "compiler/frontend/spec_reader.h"
#include "ir/known_as.h"

namespace gradc {

namespace {

constexpr std::size_t kMaxNodes = 200000;
constexpr std::int64_t kMaxRepeat = 10000;

std::string location_name(const NodeDeclaration& node) {
  if (!node.name.empty()) return node.name;
  if (node.op) return node.op->name;
  return node.layer ? node.layer->name : "a node without name";
}

std::vector<std::string> op_names(const Functions& functions) {
  std::vector<std::string> names = Registry::get().names();
  for (const LayerSpec& layer : layers()) names.push_back(layer.name);
  for (const auto& [name, function] : functions) names.push_back(name);
  return names;
}

// A path; in a block's name digits may lead, where it reads as a name in expressions: "3a", "3a.conv", not "3e5".
bool is_node_name(const std::string& text) {
  if (is_path(text)) return true;
  try {
    SyntaxPtr syntax = is_path("_" + text) ? parse_expression(text) : nullptr;
    return syntax && syntax->kind == Syntax::Kind::name && syntax->text == text;
  } catch (const ExpressionError&) {
    return false;
  }
}

}  // namespace

std::vector<std::string> SpecReader::operand_names(const NodeDeclaration& node) const {
  std::vector<std::string> names;
  if (node.op)
    for (const OperandSpec& spec : node.op->operands) names.push_back(spec.name);
  if (node.layer)
    for (const OperandSpec& spec : node.layer->operands) names.push_back(spec.name);
  if (node.function) names = node.function->operands;
  if (node.block) names = node.block->operands;
  return names;
}

std::vector<std::string> SpecReader::attribute_names(const NodeDeclaration& node) const {
  std::vector<std::string> names;
  if (!node.share.empty()) return names;
  if (node.op)
    for (const AttributeSpec& spec : node.op->attributes) names.push_back(spec.name);
  if (node.layer)
    for (const LayerAttribute& spec : node.layer->attributes) names.push_back(spec.name);
  if (node.function)
    for (const auto& [name, preset] : node.function->arguments) names.push_back(name);
  if (node.block)
    for (const auto& [name, preset] : node.block->arguments) names.push_back(name);
  return names;
}

void SpecReader::choose_op(NodeDeclaration& node, const Json& json) {
  const std::string& op = string_of(json, "`op`");
  node.layer = find_layer(op);
  if (node.layer) {
    node.kind = NodeDeclaration::Kind::layer;
    return;
  }
  if (auto function = functions_.find(op); function != functions_.end()) {
    node.kind = NodeDeclaration::Kind::function;
    node.function = &function->second;
    if (!node.function->value) throw Poisoned{};
    return;
  }
  node.kind = NodeDeclaration::Kind::op;
  node.op = Registry::get().find(op);
  if (node.op && node.op->internal) node.op = nullptr;
  if (node.op) return;
  std::string advice =
      blocks_.contains(op) ? "; it is a block: write \"block\": \"" + op + "\"" : suggest_op(op, op_names(functions_));
  throw UserError(json.location(), "unknown op `" + op + "`" + advice);
}

// What kind of node it is: by "value", "op", "block", or by what it shares.
void SpecReader::choose_kind(NodeDeclaration& node, const Json& list, const GraphPlace& place) {
  const Json& json = *node.json;
  const Json *op = json.find("op"), *block = json.find("block"), *value = json.find("value");
  // `value` may be an attribute of an op, as of `pad`.
  const Op* named = op && op->is(Json::Kind::string) ? Registry::get().find(op->text) : nullptr;
  if (named && named->attribute("value")) value = nullptr;
  int given = (op != nullptr) + (block != nullptr) + (value != nullptr);
  for (const char* kind : {"scan", "while", "cond"})
    if (const Json* loop = json.find(kind)) {
      node.kind = NodeDeclaration::Kind::loop;
      node.loop = loop;
      node.loop_kind = kind;
      ++given;
    }
  if (given > 1)
    throw UserError(json.location(),
                    "a node is one of `op`, `block`, `value`, `scan`, `while` and `cond`, this one is several");
  if (op) choose_op(node, *op);
  if (block) {
    node.kind = NodeDeclaration::Kind::block;
    node.block_name = string_of(*block, "`block`");
    auto found = blocks_.find(node.block_name);
    if (found == blocks_.end()) {
      if (const Json* blocks = root_.find("blocks"); blocks && blocks->find(node.block_name)) throw Poisoned{};
      std::vector<std::string> names;
      for (const auto& [name, known] : blocks_) names.push_back(name);
      throw UserError(block->location(),
                      "unknown block `" + node.block_name + "`" + suggest_or_list(node.block_name, names));
    }
    node.block = &found->second;
  }
  if (given == 0 && node.share.empty()) {
    for (const JsonMember& member : json.members)
      if (const std::string meant = suggest(member.key, {"op", "block", "value", "scan", "while", "cond"});
          !meant.empty())
        throw UserError(member.location(), "a node: unknown key `" + member.key + "`" + meant);
    throw UserError(json.location(), "a node needs `op`, `block` or `value`, or a loop: `scan`, `while` or `cond`");
  }
  if (given > 0 || node.share.empty()) return;
  // The kind of what is shared, which stands in this list or is built already.
  for (const Json& item : list.items) {
    const Json* name = item.find("name");
    if (!name || !name->is(Json::Kind::string) || name->text != node.share || (!item.find("op") && !item.find("block")))
      continue;
    NodeDeclaration shared;
    shared.json = &item;
    choose_kind(shared, list, place);
    node.kind = shared.kind;
    node.layer = shared.layer;
    node.block = shared.block;
    node.block_name = shared.block_name;
    if (node.layer || node.block) return;
  }
  for (const std::string& name : {place.names + node.share, node.share}) {
    if (auto layer = built_layers_.find(name); layer != built_layers_.end()) {
      node.kind = NodeDeclaration::Kind::layer;
      node.layer = &layer->second.layer;
      return;
    }
    if (auto shared = built_blocks_.find(name); shared != built_blocks_.end()) {
      node.kind = NodeDeclaration::Kind::block;
      node.block = shared->second.first;
      return;
    }
  }
  std::vector<std::string> names;
  for (const auto& [name, layer] : built_layers_) names.push_back(name);
  for (const auto& [name, block] : built_blocks_) names.push_back(name);
  for (const Json& item : list.items)
    if (const Json* name = item.find("name"); name && name->is(Json::Kind::string)) names.push_back(name->text);
  throw UserError(json.find("share")->location(),
                  "`share` must name a layer or a block, `" + node.share + "` is none" + suggest(node.share, names));
}

void SpecReader::read_expressions(NodeDeclaration& node) {
  Mistakes mistakes;
  const auto read = [&](const std::string& name, const Json& json) {
    mistakes.watch([&] {
      SyntaxPtr syntax = expression_of(json, "`" + name + "`");
      node.expressions[name].emplace_back(&json, std::move(syntax));
    });
  };
  if (const Json* value = node.json->find("value"); value && node.kind == NodeDeclaration::Kind::value)
    read("value", *value);
  std::vector<std::string> operands = operand_names(node);
  node.takes_previous = !operands.empty() && !node.json->find(operands[0]);
  for (const std::string& name : operands) {
    const Json* json = node.json->find(name);
    if (!json) continue;
    bool list = json->is(Json::Kind::array) && node.op && node.op->variadic() && name == operands.back();
    if (!list) read(name, *json);
    for (std::size_t i = 0; list && i < json->items.size(); ++i) read(name, json->items[i]);
  }
  mistakes.rethrow();
}

void SpecReader::check_node_keys(const NodeDeclaration& node) {
  std::vector<std::string> known = {"name"};
  std::string what = location_name(node);
  switch (node.kind) {
    case NodeDeclaration::Kind::value:
      known.push_back("value"), what = "node";
      break;
    case NodeDeclaration::Kind::loop:
      known.push_back(node.loop_kind), what = node.loop_kind;
      break;
    case NodeDeclaration::Kind::block:
      known.insert(known.end(), {"block", "share", "repeat"});
      break;
    case NodeDeclaration::Kind::layer:
      known.insert(known.end(), {"op", "share", "repeat"});
      break;
    default:
      known.insert(known.end(), {"op", "repeat"});
  }
  if (node.op) what = node.op->name;
  if (node.layer) what = node.layer->name;
  if (node.block) what = "block `" + node.block_name + "`";
  for (std::string& name : operand_names(node)) known.push_back(std::move(name));
  for (std::string& name : attribute_names(node)) known.push_back(std::move(name));
  if (!check_keys(*node.json, known, what)) throw Poisoned{};
}

NodeDeclaration SpecReader::declare_node(const Json& json, const Json& list, const GraphPlace& place) {
  NodeDeclaration node;
  node.json = &json;
  node.poisoned = true;
  const bool known = expect(json, Json::Kind::object, "a node") && guarded([&] {
                       read_name(node);
                       if (const Json* share = json.find("share")) node.share = string_of(*share, "`share`");
                       choose_kind(node, list, place);
                     });
  if (!known) return node;
  // Where one of these fails the node is not built, but what it reads is looked at.
  const bool keys = guarded([&] { check_node_keys(node); });
  const bool repeats = guarded([&] { read_repeat(node, place); });
  const bool expressions = guarded([&] { read_expressions(node); });
  node.poisoned = !keys || !repeats || !expressions;
  return node;
}

void SpecReader::read_name(NodeDeclaration& node) {
  const Json* name = node.json->find("name");
  if (!name) return;
  const bool digits_lead = node.json->find("block") || name->text.find('.') != std::string::npos;
  if (!name->is(Json::Kind::string) || !(digits_lead ? is_node_name(name->text) : is_path(name->text)))
    throw UserError(name->location(), (name->is(Json::Kind::string) ? "`" + name->text + "`" : name->describe()) +
                                          " is no name: a letter or _, then letters, digits and _");
  node.name = name->text;
}

void SpecReader::read_repeat(NodeDeclaration& node, const GraphPlace& place) {
  const Json* repeat = node.json->find("repeat");
  if (!repeat) return;
  node.repeated = true;
  node.repeat = integer_of(*repeat, place.scope, "`repeat`", 1);
  if (node.repeat > kMaxRepeat)
    throw UserError(repeat->location(), "`repeat` is " + std::to_string(node.repeat) + ", at most " +
                                            std::to_string(kMaxRepeat) + " copies are made");
}

// Which nodes of the list each node reads.
void SpecReader::link(std::vector<NodeDeclaration>& nodes, const GraphPlace& place) {
  std::map<std::string, std::size_t, std::less<>> index;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    NodeDeclaration& node = nodes[i];
    if (node.name.empty()) continue;
    auto [entry, fresh] = index.emplace(node.name, i);
    auto taken = place.scope.names.find(node.name);
    const Entry* global = place.depth == 0 ? globals_.find(node.name) : nullptr;
    if (fresh && taken == place.scope.names.end() && !global) continue;
    Diagnostic& error =
        diagnostics_.error(node.json->member("name")->value.location(), "`" + node.name + "` is declared twice");
    Location first = !fresh                            ? nodes[entry->second].json->member("name")->value.location()
                     : global && global->operand.value ? model_->location_of(global->operand.value)
                                                       : Location();
    if (first.known()) error.notes.push_back({Severity::note, first, "first declared here", {}});
    node.poisoned = true;
    node.name.clear();
    if (!fresh) continue;
    index.erase(entry);
  }
  auto need = [&](NodeDeclaration& node, std::string name) {
    while (true) {
      if (auto found = index.find(name); found != index.end()) return node.needs.push_back(found->second);
      std::size_t dot = name.rfind('.');
      if (dot == std::string::npos) return;
      name.resize(dot);
    }
  };
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    for (const auto& [key, expressions] : nodes[i].expressions)
      for (const auto& [json, syntax] : expressions)
        visit_names(*syntax, [&](const Syntax& name) { need(nodes[i], name.text); });
    if (nodes[i].loop)
      for (std::string& name : names_read_by_loop(*nodes[i].loop)) need(nodes[i], std::move(name));
    if (!nodes[i].share.empty()) need(nodes[i], nodes[i].share);
    if (nodes[i].takes_previous && i > 0) nodes[i].needs.push_back(i - 1);
  }
}

void SpecReader::report_cycle(const std::vector<NodeDeclaration>& nodes, const std::vector<std::size_t>& path) {
  std::string text;
  for (std::size_t i : path) text += location_name(nodes[i]) + " → ";
  Diagnostic& error =
      diagnostics_.error(nodes[path[0]].json->location(), "cycle: " + text + location_name(nodes[path[0]]));
  for (std::size_t i = 1; i < path.size(); ++i)
    error.notes.push_back(
        {Severity::note, nodes[path[i]].json->location(), location_name(nodes[path[i]]) + " stands here", {}});
}

// Depth first, without recursion: nodes after all that they need.
std::vector<std::size_t> SpecReader::order(const std::vector<NodeDeclaration>& nodes) {
  enum class Mark : std::uint8_t { fresh, open, done };
  std::vector<Mark> marks(nodes.size(), Mark::fresh);
  std::vector<std::size_t> result;
  for (std::size_t root = 0; root < nodes.size(); ++root) {
    if (marks[root] != Mark::fresh) continue;
    std::vector<std::pair<std::size_t, std::size_t>> stack = {{root, 0}};  // node, next of its needs
    marks[root] = Mark::open;
    while (!stack.empty()) {
      auto& [node, next] = stack.back();
      if (next == nodes[node].needs.size()) {
        marks[node] = Mark::done;
        result.push_back(node);
        stack.pop_back();
        continue;
      }
      std::size_t needed = nodes[node].needs[next++];
      if (marks[needed] == Mark::fresh) {
        marks[needed] = Mark::open;
        stack.emplace_back(needed, 0);
      } else if (marks[needed] == Mark::open) {
        std::vector<std::size_t> path;
        bool inside = false;
        for (const auto& [on, at] : stack) {
          inside = inside || on == needed;
          if (inside) path.push_back(on);
        }
        report_cycle(nodes, path);
      }
    }
  }
  return result;
}

namespace {

[[noreturn]] void refuse_several(const NodeDeclaration& node, const NodeDeclaration& previous, const Value* results) {
  Diagnostic error{Severity::error, node.json->location(), "", {}};
  error.message = several_results(*results->node, location_name(previous));
  if (previous.name.empty()) error.message += "; the node needs a name for that";
  error.notes.push_back({Severity::note, previous.json->location(), "it stands before this node, which takes it", {}});
  throw UserError(std::move(error));
}

}  // namespace

// Tells the mistakes in what a node reads that can't be built for another one.
void SpecReader::look_at_expressions(const NodeDeclaration& node, const GraphPlace& place) {
  for (const auto& [key, expressions] : node.expressions)
    for (const auto& [json, syntax] : expressions)
      guarded([&, json = json, syntax = syntax.get()] { evaluator(*json, place.scope).evaluate(*syntax); });
}

std::vector<SpecReader::BuiltNode> SpecReader::read_graph(const Json& list, const GraphPlace& place, Before before) {
  std::vector<NodeDeclaration> nodes;
  for (const Json& json : list.items) nodes.push_back(declare_node(json, list, place));
  link(nodes, place);
  for (const NodeDeclaration& node : nodes)  // until it is built, and for good where it can't be
    if (!node.name.empty()) place.scope.names[node.name] = {Operand(0.0), true};
  std::vector<BuiltNode> built(nodes.size());
  std::vector<std::size_t> sequence = order(nodes);
  for (std::size_t i : sequence) {
    const NodeDeclaration& node = nodes[i];
    if (node.poisoned) look_at_expressions(node, place);
    bool good = !node.poisoned && guarded([&] {
      if (++nodes_built_ > kMaxNodes)
        throw UserError(node.json->location(), "the graph has more than " + std::to_string(kMaxNodes) + " nodes");
      const Before previous = i == 0 ? before : Before{built[i - 1].operand.value, built[i - 1].poisoned};
      if (node.takes_previous && i > 0 && built[i - 1].operand.several)
        refuse_several(node, nodes[i - 1], previous.value);
      built[i] = {build_node(node, place, previous), false};
    });
    if (!node.name.empty()) place.scope.names[node.name] = {built[i].operand, !good};
    if (nodes_built_ > kMaxNodes) break;
  }
  return built;
}

Operand SpecReader::build_node(const NodeDeclaration& node, const GraphPlace& place, Before before) {
  if (!node.repeated) return build_copy(node, place, before, node.name);
  Operand result(before.value);
  // The first copy takes the first operand that is given, the others the copy before.
  NodeDeclaration next = node;
  if (const std::vector<std::string> operands = operand_names(node); !operands.empty())
    next.expressions.erase(operands[0]);
  else if (node.repeat > 1)
    throw UserError(node.json->member("repeat")->location(),
                    "copies are chained through their first operand, and this node has none");
  for (std::int64_t i = 0; i < node.repeat; ++i) {
    std::string name = node.name.empty() ? "" : node.name + "." + std::to_string(i);
    if (++nodes_built_ > kMaxNodes)
      throw UserError(node.json->location(), "the graph has more than " + std::to_string(kMaxNodes) + " nodes");
    if (result.several) refuse_several(node, node, result.value);
    result = build_copy(i == 0 ? node : next, place, {result.value, i == 0 && before.poisoned}, name);
    if (!name.empty()) place.scope.names[name] = {result};
  }
  return result;
}

Operand SpecReader::build_copy(const NodeDeclaration& node, const GraphPlace& place, Before before,
                               const std::string& name) {
  if (node.kind == NodeDeclaration::Kind::block) return build_block(node, place, before, name);
  ResolvedNode resolved;
  resolved.full = name.empty() ? "" : place.names + name;
  resolved.name = name.empty() ? "" : resolved.full.substr(place.hidden);
  ModelBuilder::Mark mark = model_->mark();
  Operand result(0.0);
  switch (node.kind) {
    case NodeDeclaration::Kind::value:
      result = build_value(node, place, resolved);
      break;
    case NodeDeclaration::Kind::op:
      result = build_op(node, place, before, resolved);
      break;
    case NodeDeclaration::Kind::function:
      result = build_function(node, place, before, resolved);
      break;
    case NodeDeclaration::Kind::loop:
      result = build_loop(node, place, resolved);
      break;
    default:
      result = build_layer_node(node, place, before, resolved);
  }
  if (!result.value) return result;
  name_results(place, name, result, resolved);
  if (node.loop) {
    model_->record(resolved.full, node.loop_kind, result.value, resolved.multiply_adds, node.json->location());
  } else if (node.kind != NodeDeclaration::Kind::layer) {
    std::string op = node.op              ? node.op->name
                     : node.function      ? node.function->name
                     : result.value->node ? result.value->node->op->name
                                          : "value";
    model_->record(mark, resolved.full, op, result.value, node.json->location());
  }
  resolved.value = result.value;
  resolved_.graph.push_back(std::move(resolved));
  return result;
}

// Names for dumps, for what reads the node, and for the resolved text.
void SpecReader::name_results(const GraphPlace& place, const std::string& name, const Operand& operand,
                              ResolvedNode& resolved) {
  if (operand.several && resolved.results.empty()) {
    const Node& node = *operand.value->node;
    for (std::size_t i = 0; i < node.results.size(); ++i)
      if (node.op->results.size() == node.results.size())
        resolved.results.emplace_back(node.op->results[i], node.result(i));
    if (!name.empty()) several_[&node] = resolved.name;
  }
  auto rename = [&](Value* value, const std::string& suffix) {
    if (value->node && value->name.empty()) value->name = resolved.full + suffix;
    if (!name.empty()) references_.try_emplace(value, resolved.name + suffix);
  };
  if (!operand.several) rename(operand.value, "");
  if (name.empty()) return;
  for (const auto& [suffix, value] : resolved.results) {
    place.scope.names[name + "." + suffix] = {value};
    rename(value, "." + suffix);
  }
}

std::vector<Operand> SpecReader::operands_of(const NodeDeclaration& node, const GraphPlace& place, Before before,
                                             ResolvedNode& resolved) {
  std::vector<Operand> operands;
  std::string what = node.op         ? node.op->name
                     : node.layer    ? node.layer->name
                     : node.function ? node.function->name
                                     : node.block_name;
  std::vector<std::string> names = operand_names(node);
  Mistakes mistakes;
  for (std::size_t i = 0; i < names.size(); ++i) {
    auto given = node.expressions.find(names[i]);
    if (given == node.expressions.end()) {
      if (i > 0 && node.op && node.op->variadic() && i + 1 == names.size()) continue;
      if (node.layer && i >= std::max<std::size_t>(1, node.layer->required_operands())) {
        operands.emplace_back(static_cast<Value*>(nullptr));
        continue;
      }
      mistakes.watch([&] {
        if (i > 0) throw UserError(node.json->location(), what + ": `" + names[i] + "` is missing");
        if (before.poisoned) throw Poisoned{};
        if (!before.value)
          throw UserError(node.json->location(), what + ": there is no node before it to take `" + names[i] +
                                                     "` from; give `" + names[i] + "`");
        resolve_previous(resolved, names[i], before.value);
        operands.emplace_back(before.value);
      });
      continue;
    }
    std::string shown;
    for (const auto& [json, syntax] : given->second) {
      mistakes.watch([&] { operands.push_back(evaluator(*json, place.scope).one(*syntax)); });
      shown += (shown.empty() ? "" : ", ") + quote_json(print_resolved(*syntax, place.scope));
    }
    bool list = node.op && node.op->variadic() && i + 1 == names.size();
    resolved.members.emplace_back(names[i], list ? "[" + shown + "]" : shown);
  }
  mistakes.rethrow();
  return operands;
}

Operand SpecReader::build_value(const NodeDeclaration& node, const GraphPlace& place, ResolvedNode& resolved) {
  const auto& [json, syntax] = node.expressions.at("value")[0];
  Operand result = evaluator(*json, place.scope).evaluate(*syntax);
  resolved.members.emplace_back("value", quote_json(print_resolved(*syntax, place.scope)));
  return result;
}

Operand SpecReader::build_op(const NodeDeclaration& node, const GraphPlace& place, Before before,
                             ResolvedNode& resolved) {
  resolved.members.emplace_back("op", quote_json(node.op->name));
  std::vector<Operand> operands;
  Attributes attributes;
  Mistakes mistakes;
  mistakes.watch([&] { operands = operands_of(node, place, before, resolved); });
  for (const AttributeSpec& spec : node.op->attributes)
    mistakes.watch([&] {
      const Json* json = node.json->find(spec.name);
      if (json)
        attributes.set(spec.name, attribute_of(*json, spec, node.op->name, place.scope));
      else if (!spec.preset)
        throw UserError(node.json->location(), node.op->name + ": `" + spec.name + "` is missing: " + spec.doc);
      const Attribute* value = json ? attributes.find(spec.name) : &*spec.preset;
      resolved.members.emplace_back(spec.name, to_json(*value));
    });
  mistakes.rethrow();
  return Operand(model_->apply(*node.op, operands, std::move(attributes), node.json->location()));
}

// As the call of the function in an expression.
Operand SpecReader::build_function(const NodeDeclaration& node, const GraphPlace& place, Before before,
                                   ResolvedNode& resolved) {
  const UserFunction& function = *node.function;
  resolved.members.emplace_back("op", quote_json(function.name));
  std::vector<Operand> operands;
  std::map<std::string, double> arguments;
  Mistakes mistakes;
  mistakes.watch([&] { operands = operands_of(node, place, before, resolved); });
  for (const auto& [name, preset] : function.arguments)
    mistakes.watch([&, name = name, preset = preset] {
      const Json* given = node.json->find(name);
      arguments[name] = given ? number_of(*given, place.scope, function.name + ": `" + name + "`") : preset;
      resolved.members.emplace_back(name, number_text(arguments[name]));
    });
  mistakes.rethrow();
  return evaluator(*function.text, place.scope).apply_function(function, operands, arguments, node.json->location());
}

Operand SpecReader::build_layer_node(const NodeDeclaration& node, const GraphPlace& place, Before before,
                                     ResolvedNode& resolved) {
  const Json& json = *node.json;
  resolved.members.emplace_back("op", quote_json(node.layer->name));
  LayerCall call{*model_, *node.layer, resolved.full, "", {}, {}, json.location(), {}, false};
  const LayerCall* shared = nullptr;
  std::string local = resolved.full.empty() ? "" : resolved.full.substr(place.names.size());
  if (!node.share.empty()) {
    for (const std::string& name : {place.names + node.share, node.share})
      if (auto found = built_layers_.find(name); found != built_layers_.end() && !shared) shared = &found->second;
    if (!shared || &shared->layer != node.layer)
      throw UserError(json.find("share")->location(), node.layer->name + ": `" + node.share + "` is no " +
                                                          node.layer->name + " to share the parameters of");
  } else if (place.shared && !local.empty()) {
    auto found = built_layers_.find(place.parameters + local);
    if (found != built_layers_.end()) shared = &found->second;
  }
  Mistakes mistakes;
  mistakes.watch([&] {
    for (const Operand& operand : operands_of(node, place, before, resolved)) {
      const std::string& role = node.layer->operands[call.operands.size()].name;
      if (!operand.value && node.expressions.contains(role))
        throw UserError(json.location(),
                        node.layer->name + ": `" + role + "` is the number " + number_text(operand.number));
      call.operands.push_back(operand.value);
    }
  });
  mistakes.watch([&] { read_layer_attributes(node, place, call); });
  mistakes.rethrow();
  if (!local.empty()) call.path = place.parameters + local;
  if (shared) {
    call.path = shared->path;
    call.attributes = shared->attributes;
    call.shared = true;
    std::string around = place.names.substr(0, place.hidden);
    resolved.members.emplace_back(
        "share", quote_json(shared->path.starts_with(around) ? shared->path.substr(around.size()) : shared->path));
  }
  Value* result = build_layer(call);
  resolved.results = call.results;
  if (!shared)
    for (const LayerAttribute& spec : node.layer->attributes)
      if (auto value = call.attributes.find(spec.name); value != call.attributes.end())
        resolved.members.emplace_back(spec.name, to_json(value->second));
  if (!resolved.full.empty()) built_layers_.emplace(resolved.full, call);
  return result;
}

// Those that the node gives; complete, unless it takes those of another one.
void SpecReader::read_layer_attributes(const NodeDeclaration& node, const GraphPlace& place, LayerCall& call) {
  if (!node.share.empty()) return;
  Mistakes mistakes;
  for (const LayerAttribute& spec : node.layer->attributes)
    if (const Json* given = node.json->find(spec.name))
      mistakes.watch([&] {
        call.places[spec.name] = given->location();
        call.attributes.emplace(spec.name, layer_value_of(*given, spec, node.layer->name, place.scope));
      });
  mistakes.rethrow();
  if (!place.shared) complete_attributes(call);
}

// In the resolved text a block's nodes stand alone: an operand that is an expression becomes a node that they read.
void SpecReader::write_out_operands(const NodeDeclaration& node, const GraphPlace& place, const std::string& name,
                                    const std::vector<Operand>& operands) {
  for (std::size_t i = 0; i < operands.size(); ++i) {
    Value* value = operands[i].value;
    auto given = node.expressions.find(node.block->operands[i]);
    if (!value || given == node.expressions.end() || !reference_to(value, "").empty()) continue;
    if (model_->find_state(value->name) == value) {
      references_[value] = value->name;
      continue;
    }
    ResolvedNode line;
    line.full = place.names + name + "." + node.block->operands[i];
    line.name = line.full.substr(place.hidden);
    line.members.emplace_back("value", quote_json(print_resolved(*given->second[0].second, place.scope)));
    line.value = value;
    if (value->node && value->name.empty()) value->name = line.full;
    references_[value] = line.name;
    resolved_.graph.push_back(std::move(line));
  }
}

// A last node that has no name is known by that of its block, in dumps and in the resolved text.
void SpecReader::name_result(Value* value, const GraphPlace& place, const std::string& name) {
  if (!value || !value->node || !value->name.empty() || resolved_.graph.empty()) return;
  ResolvedNode& line = resolved_.graph.back();
  if (line.value != value || !line.name.empty()) return;
  line.full = value->name = place.names + name;
  line.name = line.full.substr(place.hidden);
  references_[value] = line.name;
}

Operand SpecReader::build_block(const NodeDeclaration& node, const GraphPlace& place, Before before,
                                const std::string& name) {
  const Json& json = *node.json;
  if (place.depth >= kBlockDepth)
    throw UserError(json.location(), "block `" + node.block_name + "`: blocks are nested deeper than " +
                                         std::to_string(kBlockDepth) + " levels; does it contain itself?");
  if (name.empty())
    throw UserError(json.location(), "block `" + node.block_name + "` owns parameters and needs a `name`");
  ResolvedNode unused;
  Mistakes mistakes;
  std::vector<Operand> operands;
  mistakes.watch([&] { operands = operands_of(node, place, before, unused); });
  Scope inner;
  inner.outer = &globals_;
  inner.rule = "a block reads its operands, its arguments, its own nodes and variables";
  GraphPlace inside{inner,        place.names + name + ".", place.parameters + name + ".",
                    place.shared, place.depth + 1,          place.hidden};
  std::map<std::string, double> arguments;
  if (!node.share.empty()) {
    auto shared = built_blocks_.find(place.names + node.share);
    if (shared == built_blocks_.end()) shared = built_blocks_.find(node.share);
    if (shared == built_blocks_.end() || shared->second.first != node.block)
      throw UserError(json.find("share")->location(),
                      "`" + node.share + "` is no block `" + node.block_name + "` to share the parameters of");
    arguments = shared->second.second;
    inside.parameters = shared->first + ".";
    inside.shared = true;
  } else {
    for (const auto& [argument, preset] : node.block->arguments)
      mistakes.watch([&, argument = argument, preset = preset] {
        const Json* given = json.find(argument);
        if (!given && !preset)
          throw UserError(json.location(),
                          "block `" + node.block_name + "`: the argument `" + argument + "` is missing");
        arguments[argument] = given ? number_of(*given, place.scope, "`" + argument + "`") : *preset;
      });
  }
  mistakes.rethrow();
  write_out_operands(node, place, name, operands);
  inner.prefix = inside.parameters;
  for (const auto& [argument, value] : arguments) inner.names[argument] = {Operand(value)};
  for (std::size_t i = 0; i < operands.size(); ++i) inner.names[node.block->operands[i]] = {operands[i]};
  built_blocks_.emplace(place.names + name, std::pair(node.block, arguments));
  std::vector<BuiltNode> built;
  {
    const Use use(uses_, json.location(), "in this use of block `" + node.block_name + "`, as `" + name + "`");
    built = read_graph(*node.block->graph, inside, {operands.empty() ? nullptr : operands[0].value});
  }
  for (const auto& [local, entry] : inner.names)
    if (!arguments.contains(local) && !std::count(node.block->operands.begin(), node.block->operands.end(), local))
      place.scope.names[name + "." + local] = entry;
  if (node.block->result.empty()) {
    if (built.back().poisoned) throw Poisoned{};
    name_result(built.back().operand.value, place, name);
    return built.back().operand;
  }
  const Entry* result = inner.find(node.block->result);
  if (!result)
    throw UserError(node.block->result_text->location(), "block `" + node.block_name + "` has no node `" +
                                                             node.block->result + "`" +
                                                             suggest(node.block->result, inner.all_names()));
  if (result->poisoned) throw Poisoned{};
  return result->operand;
}

}  // namespace gradc
