// Loops and branches of a spec: nodes with `scan`, `while` or `cond`.
//
//   { "name": "loop", "scan": { "carry": { "h": EXPR }, "over": { "x_t": EXPR }, "graph": […], "next": { "h": EXPR },
//                               "emit": { "y": EXPR } } }
//
// `carry` and `over` are read around the loop; the rest inside, where names from outside are known too.
#include <algorithm>
#include <set>

#include "compiler/frontend/loops.h"
#include "compiler/frontend/spec_reader.h"

namespace gradc {

namespace {

using Names = std::set<std::string, std::less<>>;

bool knows(const Names& bound, std::string name) {
  while (!bound.contains(name)) {
    std::size_t dot = name.rfind('.');
    if (dot == std::string::npos) return false;
    name.resize(dot);
  }
  return true;
}

void add_keys(const Json* object, Names& names) {
  if (!object || !object->is(Json::Kind::object)) return;
  for (const JsonMember& member : object->members) names.insert(member.key);
}

SyntaxPtr parsed_or_null(const std::string& text) {
  try {
    return parse_expression(text);
  } catch (const ExpressionError&) {
    return nullptr;
  }
}

// Names that the strings of a part of a loop read and that are not bound in it. Strings that are no expressions read
// nothing; what is wrong with them is found when they are built.
void free_names(const Json& json, Names bound, std::vector<std::string>& found) {
  if (json.is(Json::Kind::string)) {
    const SyntaxPtr syntax = parsed_or_null(json.text);
    if (!syntax) return;
    visit_names(*syntax, [&](const Syntax& name) {
      if (!knows(bound, name.text)) found.push_back(name.text);
    });
    return;
  }
  for (const Json& item : json.items) free_names(item, bound, found);
  for (const char* key : {"carry", "over"}) add_keys(json.find(key), bound);
  if (const Json* graph = json.find("graph"); graph && graph->is(Json::Kind::array))
    for (const Json& node : graph->items)
      if (const Json* name = node.find("name")) bound.insert(name->text);
  if (json.find("next") || json.find("emit")) bound.insert("index");
  for (const JsonMember& member : json.members)
    if (member.key != "op" && member.key != "name" && member.key != "block") free_names(member.value, bound, found);
}

}  // namespace

std::vector<std::string> SpecReader::names_read_by_loop(const Json& loop) {
  std::vector<std::string> found;
  free_names(loop, {}, found);
  for (const char* key : {"carry", "over"})  // these are read around the loop, where its own names mean others
    if (const Json* outside = loop.find(key)) free_names(*outside, {}, found);
  return found;
}

// Values by name, evaluated one by one so that several mistakes are told.
std::vector<LoopValue> SpecReader::read_loop_values(const Json* json, const std::string& what, const Scope& scope,
                                                    std::string& resolved) {
  std::vector<LoopValue> values;
  std::vector<std::pair<std::string, std::string>> texts;
  bool good = !json || expect(*json, Json::Kind::object, what);
  for (const JsonMember& member : good&& json ? json->members : std::vector<JsonMember>{}) {
    good =
        guarded([&] {
          if (!is_identifier(member.key))
            throw UserError(member.location(),
                            "`" + member.key + "` is no name: a letter or _, then letters, digits and _");
          if (member.key == "index")
            throw UserError(member.location(), "`index` is the number of the round; give `" + what + "` another name");
          SyntaxPtr syntax = expression_of(member.value, what + ": `" + member.key + "`");
          Operand operand = evaluator(member.value, scope).one(*syntax);
          values.push_back({member.key, operand, member.value.location()});
          texts.emplace_back(member.key, quote_json(print_resolved(*syntax, scope)));
        }) &&
        good;
  }
  if (!good) throw Poisoned{};
  resolved = object_text(texts);
  return values;
}

// `next` in the order of `carry`: no more and no fewer names.
std::vector<LoopValue> SpecReader::read_next(const Json& loop, const std::string& what,
                                             const std::vector<LoopValue>& carry, const Scope& scope,
                                             std::string& resolved) {
  const Json* json = loop.find("next");
  std::vector<std::string> names;
  for (const LoopValue& carried : carry) names.push_back(carried.name);
  bool good = true;
  if (json && json->is(Json::Kind::object))
    for (const JsonMember& member : json->members) {
      if (std::count(names.begin(), names.end(), member.key)) continue;
      diagnostics_.error(member.location(),
                         what + ": `next` has `" + member.key + "`, which is not carried" + suggest(member.key, names));
      good = false;
    }
  for (const LoopValue& carried : carry) {
    if (json && json->find(carried.name)) continue;
    Diagnostic& error =
        diagnostics_.error(json ? json->location() : loop.location(),
                           what + ": `" + carried.name + "` is carried, and `next` does not say what it becomes");
    error.notes.push_back({Severity::note, carried.location, "`" + carried.name + "` begins here", {}});
    good = false;
  }
  if (!good) throw Poisoned{};
  std::vector<LoopValue> values = read_loop_values(json, what + ": `next`", scope, resolved), ordered;
  for (const std::string& name : names)
    ordered.push_back(*std::find_if(values.begin(), values.end(), [&](const LoopValue& v) { return v.name == name; }));
  return ordered;
}

void SpecReader::read_body(const Json& loop, const std::string& what, const GraphPlace& inside) {
  const Json* list = loop.find("graph");
  if (!list) return;
  if (!expect(*list, Json::Kind::array, what + ": `graph`")) throw Poisoned{};
  std::vector<BuiltNode> built = read_graph(*list, inside, {});
  for (const BuiltNode& node : built)
    if (node.poisoned) throw Poisoned{};
}

// The nodes of the body being read, written out once all that reads them is: nodes get names where they need them.
std::string SpecReader::resolved_body() const {
  std::string text;
  for (const ResolvedNode& node : resolved_.graph) text += (text.empty() ? "" : ", ") + resolved_node(node);
  return text.empty() ? "" : "[" + text + "]";
}

// A body's region is entered: reads what is inside of it.
void SpecReader::inside_loop(const NodeDeclaration& node, const GraphPlace& place, const std::string& part,
                             const std::function<void(Scope&, const GraphPlace&)>& read) {
  if (place.depth >= kBlockDepth)
    throw UserError(node.json->location(), "loops are nested deeper than " + std::to_string(kBlockDepth) + " levels");
  Scope scope;
  scope.outer = &place.scope;
  const std::string suffix = node.name + "." + part;
  GraphPlace inside{scope, place.names + suffix, place.parameters + suffix, place.shared, place.depth + 1};
  inside.hidden = inside.names.size();
  scope.prefix = inside.parameters;
  outer_graphs_.push_back(std::move(resolved_.graph));
  resolved_.graph.clear();
  auto restore = [&] {
    resolved_.graph = std::move(outer_graphs_.back());
    outer_graphs_.pop_back();
  };
  try {
    read(scope, inside);
  } catch (...) {
    restore();
    throw;
  }
  restore();
  for (const auto& [name, entry] : scope.names) place.scope.within.emplace(name, node.name);
}

void SpecReader::bind_loop_names(Scope& scope, const std::vector<LoopValue>& names, const LoopValues& values) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    scope.names[names[i].name] = {values[i]};
    references_[values[i]] = names[i].name;
  }
}

Operand SpecReader::build_scan(const NodeDeclaration& node, const GraphPlace& place, ResolvedNode& resolved) {
  const Json& json = *node.loop;
  if (!check_keys(json, {"carry", "over", "length", "reverse", "graph", "next", "emit"}, "scan")) throw Poisoned{};
  std::string carry_text, over_text, graph_text, next_text, emit_text;
  ScanRequest request;
  request.name = resolved.full;
  request.at = node.json->location();
  request.carry = read_loop_values(json.find("carry"), "scan: `carry`", place.scope, carry_text);
  request.over = read_loop_values(json.find("over"), "scan: `over`", place.scope, over_text);
  for (const LoopValue& over : request.over)
    for (const LoopValue& carried : request.carry)
      if (over.name == carried.name)
        throw UserError(over.location, "scan: `" + over.name + "` is carried and run over; give one another name");
  if (const Json* length = json.find("length"))
    request.length = length->is(Json::Kind::number)
                         ? Dim(integer_of(*length, place.scope, "scan: `length`", 0))
                         : evaluator(*length, place.scope).dim(*expression_of(*length, "scan: `length`"));
  if (const Json* reverse = json.find("reverse")) request.reverse = boolean_of(*reverse, "scan: `reverse`");
  std::vector<std::string> emitted;
  std::int64_t products = 0;
  LoopResults results = scan(*model_, request, [&](const LoopValues& carry, const LoopValues& slices, Value* index) {
    LoopStep step;
    inside_loop(node, place, "", [&](Scope& scope, const GraphPlace& inside) {
      bind_loop_names(scope, request.carry, carry);
      bind_loop_names(scope, request.over, slices);
      bind_loop_names(scope, {{"index", index, {}}}, {index});
      read_body(json, "scan", inside);
      ModelBuilder::Mark mark = model_->mark();
      step.next = read_next(json, "scan", request.carry, scope, next_text);
      step.emit = read_loop_values(json.find("emit"), "scan: `emit`", scope, emit_text);
      graph_text = resolved_body();
      products = model_->multiply_adds_since(mark);
    });
    return step;
  });
  resolved.multiply_adds = products;
  if (const Json* emit = json.find("emit"))
    for (std::size_t i = 0; i < emit->members.size(); ++i) {
      const std::string& name = emit->members[i].key;
      for (const LoopValue& carried : request.carry)
        if (carried.name == name)
          throw UserError(emit->members[i].location(), "scan: `" + name + "` is carried and emitted, so `" + node.name +
                                                           "." + name +
                                                           "` would be two values; emit it under another name");
      resolved.results.emplace_back(name, results.emitted[i]);
    }
  for (std::size_t i = 0; i < results.carried.size(); ++i)
    resolved.results.emplace_back(request.carry[i].name, results.carried[i]);
  std::string text = "{ \"carry\": " + carry_text + ", \"over\": " + over_text;
  if (request.length)
    text +=
        ", \"length\": " + (request.length->is_static() ? request.length->str() : quote_json(request.length->str()));
  text += std::string(", \"reverse\": ") + (request.reverse ? "true" : "false");
  if (!graph_text.empty()) text += ", \"graph\": " + graph_text;
  resolved.members.emplace_back("scan", text + ", \"next\": " + next_text + ", \"emit\": " + emit_text + " }");
  if (resolved.results.empty()) throw UserError(node.json->location(), "scan: neither carries nor emits anything");
  return resolved.results[0].second;
}

Operand SpecReader::build_while(const NodeDeclaration& node, const GraphPlace& place, ResolvedNode& resolved) {
  const Json& json = *node.loop;
  if (!check_keys(json, {"carry", "condition", "max_trips", "graph", "next"}, "while")) throw Poisoned{};
  std::string carry_text, condition_text, graph_text, next_text;
  WhileRequest request;
  request.name = resolved.full;
  request.at = node.json->location();
  request.carry = read_loop_values(json.find("carry"), "while: `carry`", place.scope, carry_text);
  if (request.carry.empty()) throw UserError(json.location(), "while: needs `carry`, what it works on");
  const Json* asked = json.find("condition");
  if (!asked) throw UserError(json.location(), "while: needs a `condition`");
  if (const Json* trips = json.find("max_trips"))
    request.max_trips = integer_of(*trips, place.scope, "while: `max_trips`", 1);
  auto condition = [&](const LoopValues& carry, Value* index) {
    Scope scope;
    scope.outer = &place.scope;
    bind_loop_names(scope, request.carry, carry);
    bind_loop_names(scope, {{"index", index, {}}}, {index});
    SyntaxPtr syntax = expression_of(*asked, "while: `condition`");
    LoopValue value{"condition", evaluator(*asked, scope).one(*syntax), asked->location()};
    condition_text = quote_json(print_resolved(*syntax, scope));
    return value;
  };
  auto body = [&](const LoopValues& carry, Value* index) {
    std::vector<LoopValue> next;
    inside_loop(node, place, "", [&](Scope& scope, const GraphPlace& inside) {
      bind_loop_names(scope, request.carry, carry);
      bind_loop_names(scope, {{"index", index, {}}}, {index});
      read_body(json, "while", inside);
      next = read_next(json, "while", request.carry, scope, next_text);
      graph_text = resolved_body();
    });
    return next;
  };
  std::vector<Value*> results = while_loop(*model_, request, condition, body);
  for (std::size_t i = 0; i < results.size(); ++i) resolved.results.emplace_back(request.carry[i].name, results[i]);
  std::string text = "{ \"carry\": " + carry_text + ", \"condition\": " + condition_text;
  if (request.max_trips > 0) text += ", \"max_trips\": " + std::to_string(request.max_trips);
  if (!graph_text.empty()) text += ", \"graph\": " + graph_text;
  resolved.members.emplace_back("while", text + ", \"next\": " + next_text + " }");
  return results[0];
}

// A branch: an expression, or nodes and the expression, or several by name, that it yields.
std::vector<LoopValue> SpecReader::read_branch(const NodeDeclaration& node, const GraphPlace& place,
                                               const std::string& which, std::string& resolved) {
  const Json* json = node.loop->find(which);
  if (!json) throw UserError(node.loop->location(), "cond: needs `" + which + "`");
  std::vector<LoopValue> values;
  inside_loop(node, place, which + ".", [&](Scope& scope, const GraphPlace& inside) {
    const Json* value = json;
    if (json->is(Json::Kind::object)) {
      if (!check_keys(*json, {"graph", "value"}, "cond: `" + which + "`")) throw Poisoned{};
      read_body(*json, "cond", inside);
      value = json->find("value");
      if (!value) throw UserError(json->location(), "cond: `" + which + "` needs `value`, what it yields");
    }
    std::string text;
    if (value->is(Json::Kind::object)) {
      values = read_loop_values(value, "cond: `value`", scope, text);
      if (values.empty()) throw UserError(value->location(), "cond: `" + which + "` yields nothing");
    } else {
      SyntaxPtr syntax = expression_of(*value, "cond: `" + which + "`");
      values.push_back({"", evaluator(*value, scope).one(*syntax), value->location()});
      text = quote_json(print_resolved(*syntax, scope));
    }
    const std::string graph_text = resolved_body();
    resolved = graph_text.empty() && !value->is(Json::Kind::object)
                   ? text
                   : "{ " + (graph_text.empty() ? "" : "\"graph\": " + graph_text + ", ") + "\"value\": " + text + " }";
  });
  return values;
}

Operand SpecReader::build_cond(const NodeDeclaration& node, const GraphPlace& place, ResolvedNode& resolved) {
  const Json& json = *node.loop;
  if (!check_keys(json, {"if", "then", "else"}, "cond")) throw Poisoned{};
  const Json* asked = json.find("if");
  if (!asked) throw UserError(json.location(), "cond: needs `if`, what decides");
  SyntaxPtr syntax = expression_of(*asked, "cond: `if`");
  LoopValue predicate{"if", evaluator(*asked, place.scope).one(*syntax), asked->location()};
  std::string text = "{ \"if\": " + quote_json(print_resolved(*syntax, place.scope)), then_text, else_text;
  std::vector<LoopValue> then, otherwise;
  auto yes = [&] { return then = read_branch(node, place, "then", then_text); };
  auto no = [&] {
    otherwise = read_branch(node, place, "else", else_text);
    for (std::size_t i = 0; i < std::min(then.size(), otherwise.size()); ++i)
      if (then[i].name != otherwise[i].name)
        throw UserError(otherwise[i].location, "cond: its branches yield `" + then[i].name + "` and `" +
                                                   otherwise[i].name + "`; they must yield the same names");
    return otherwise;
  };
  std::vector<Value*> results = cond(*model_, predicate, yes, no, node.json->location());
  for (std::size_t i = 0; i < results.size(); ++i)
    if (!then[i].name.empty()) resolved.results.emplace_back(then[i].name, results[i]);
  resolved.members.emplace_back("cond", text + ", \"then\": " + then_text + ", \"else\": " + else_text + " }");
  return results[0];
}

Operand SpecReader::build_loop(const NodeDeclaration& node, const GraphPlace& place, ResolvedNode& resolved) {
  if (node.name.empty())
    throw UserError(node.json->location(), node.loop_kind + ": needs a `name`, by which its results are known");
  if (!expect(*node.loop, Json::Kind::object, "`" + node.loop_kind + "`")) throw Poisoned{};
  if (node.loop_kind == "scan") return build_scan(node, place, resolved);
  if (node.loop_kind == "while") return build_while(node, place, resolved);
  return build_cond(node, place, resolved);
}

}  // namespace gradc
