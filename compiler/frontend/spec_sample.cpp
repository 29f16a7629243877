// The `sample` section: what `gradc sample` draws from a trained model, as one program in evaluation mode. A sequence
// is one scan: each round draws a token from logits that follow from what is carried.
#include <cmath>

#include "compiler/frontend/loops.h"
#include "compiler/frontend/spec_reader.h"

namespace gradc {

namespace {

// A token in proportion to exp(logits / temperature): the greatest of the logits with Gumbel noise on them. At 0 the
// likeliest.
Value* draw_token(ModelBuilder& model, Value* logits, double temperature, const Location& at) {
  const Type& type = logits->type;
  if (type.rank() < 1 || !is_float(type.dtype))
    throw UserError(at,
                    "sample: `draw` takes logits, floats whose last dimension counts the tokens, got " + type.str());
  Builder& builder = model.at(at);
  Term scores = builder.term(logits);
  if (temperature > 0) {
    Term uniform = builder.term(builder.one("random_uniform", {model.next_key(), model.step()},
                                            {{"shape", type.shape}, {"dtype", type.dtype}}));
    scores = scores * (1 / temperature) - apply("log", {-apply("log", {uniform})});
  }
  return apply("argmax", {scores}, {{"axis", std::int64_t{-1}}}).value();
}

// In the first rounds the tokens of the prompt, then what was drawn.
Value* after_prompt(ModelBuilder& model, Value* drawn, Value* index, const std::vector<std::int64_t>& prompt,
                    const Location& at) {
  Builder& builder = model.at(at);
  Tensor tokens(Type{DType::i32, {Dim(std::ssize(prompt))}});
  for (std::int64_t i = 0; i < std::ssize(prompt); ++i) tokens.set_integer(i, prompt[static_cast<std::size_t>(i)]);
  Term round = builder.term(index), free = builder.term(drawn);
  Term given = apply("gather", {builder.term(builder.constant(std::move(tokens))), round});
  Term prompted = apply("less", {round, round.like(static_cast<double>(prompt.size()))});
  return select(prompted, given, free).value();
}

void check_prompt(const std::vector<std::int64_t>& prompt, const Type& logits, const Location& at) {
  const Dim& tokens = logits.shape.back();
  for (const std::int64_t token : prompt)
    if (token > 0x7fffffff || (tokens.is_static() && token >= tokens.factor))
      throw UserError(at, "sample: `prompt` has the token " + std::to_string(token) + ", and `draw` is " +
                              logits.str() + ": tokens are below " + tokens.str());
}

}  // namespace

void SpecReader::read_sample() {
  const Json* json = section("sample", Json::Kind::object);
  if (!json) return;
  guarded([&] {
    const bool sequence = json->find("carry") || json->find("draw") || json->find("emit");
    const std::vector<std::string> known =
        sequence ? std::vector<std::string>{"carry", "graph", "draw", "emit", "length", "stop", "prompt", "temperature"}
                 : std::vector<std::string>{"outputs"};
    for (const char* key : {"length", "stop", "prompt", "temperature"})
      if (const Json* given = json->find(key); given && !sequence)
        throw UserError(given->location(),
                        "sample: `" + std::string(key) +
                            "` is of a sequence, which has `carry` and `draw`; this one draws `outputs`");
    if (!check_keys(*json, known, "sample")) throw Poisoned{};
    ProgramRequest request;
    request.name = "sample";
    request.location = json->location();
    request.batch = 1;
    if (sequence) {
      request.outputs = {{"sequence", read_sequence(*json)}};
    } else {
      const Json* outputs = json->find("outputs");
      if (!outputs)
        throw UserError(json->location(),
                        "sample needs `outputs`, as in \"outputs\": { \"image\": \"sigmoid(decoded)\" }, or for a "
                        "sequence `carry`, `draw` and `length`");
      std::vector<std::pair<std::string, std::string>> shown;
      request.outputs = read_results(*outputs, "sample: `outputs`", shown);
      if (request.outputs.empty() && !outputs->members.empty()) throw Poisoned{};
      if (request.outputs.empty()) throw UserError(outputs->location(), "sample: `outputs` names nothing");
      resolved_.sample = "{ \"outputs\": " + object_text(shown) + " }";
    }
    model_->add_program(std::move(request));
  });
}

SpecReader::SequenceSpec SpecReader::read_sequence_numbers(const Json& json) {
  SequenceSpec spec;
  const Json* length = json.find("length");
  if (!length) throw UserError(json.location(), "sample: a sequence needs its `length`, the number of rounds");
  spec.length = integer_of(*length, globals_, "sample: `length`", 1);
  if (const Json* stop = json.find("stop")) {
    spec.stop = integer_of(*stop, globals_, "sample: `stop`", 0);
    model_->stop_sample_at(*spec.stop);
  }
  if (const Json* prompt = json.find("prompt")) {
    spec.prompt_at = prompt->location();
    if (!expect(*prompt, Json::Kind::array, "sample: `prompt`")) throw Poisoned{};
    if (!json.find("draw"))
      throw UserError(spec.prompt_at, "sample: a `prompt` takes the place of what is drawn; give `draw`");
    for (const Json& item : prompt->items) {
      spec.prompt.push_back(integer_of(item, globals_, "sample: `prompt`", 0));
      if (spec.prompt.back() == spec.stop)
        throw UserError(item.location(),
                        "sample: `prompt` has " + std::to_string(*spec.stop) + ", the token at which a sequence stops");
    }
    if (std::ssize(spec.prompt) > spec.length)
      throw UserError(spec.prompt_at, "sample: `prompt` has " + std::to_string(spec.prompt.size()) +
                                          " tokens, more than the `length` of " + std::to_string(spec.length));
  }
  if (const Json* given = json.find("temperature")) {
    spec.temperature = number_of(*given, globals_, "sample: `temperature`");
    if (!(spec.temperature >= 0 && std::isfinite(spec.temperature)))
      throw UserError(given->location(),
                      "sample: `temperature` must be 0 or more, got " + number_text(spec.temperature));
  }
  return spec;
}

// "carry": { "h": { "start": EXPR, "next": EXPR } }
std::vector<LoopValue> SpecReader::read_starts(const Json& carry, std::vector<std::string>& resolved) {
  if (!expect(carry, Json::Kind::object, "sample: `carry`")) throw Poisoned{};
  std::vector<LoopValue> starts;
  for (const JsonMember& member : carry.members) {
    const std::string what = "sample: `carry`: `" + member.key + "`";
    if (!is_identifier(member.key) || member.key == "index" || member.key == "drawn")
      throw UserError(member.location(), "sample: `" + member.key + "` is no name of a carried value");
    if (!expect(member.value, Json::Kind::object, what) || !check_keys(member.value, {"start", "next"}, what))
      throw Poisoned{};
    const Json *start = member.value.find("start"), *next = member.value.find("next");
    if (!start || !next) throw UserError(member.location(), what + " needs `start` and `next`");
    SyntaxPtr syntax = expression_of(*start, what + ": `start`");
    starts.push_back({member.key, evaluator(*start, graph_).one(*syntax), start->location()});
    resolved.push_back(quote_json(print_resolved(*syntax, graph_)));
  }
  return starts;
}

// A round: its nodes, what is drawn and emitted, and what each carried value becomes.
LoopStep SpecReader::read_round(const Json& json, const SequenceSpec& spec, const std::vector<LoopValue>& carry,
                                const std::vector<std::string>& starts, const GraphPlace& inside, Scope& scope) {
  const Json *draw = json.find("draw"), *emit = json.find("emit");
  JsonMembers shown, carried_text;
  auto value_of = [&](const Json& text, const std::string& what, std::string& resolved) {
    SyntaxPtr syntax = expression_of(text, what);
    LoopValue value{"", evaluator(text, scope).one(*syntax), text.location()};
    resolved = quote_json(print_resolved(*syntax, scope));
    return value;
  };
  read_body(json, "sample", inside);
  LoopStep step;
  std::string text;
  if (draw) {
    const LoopValue logits = value_of(*draw, "sample: `draw`", text);
    if (!logits.operand.value) throw UserError(draw->location(), "sample: `draw` is a number, it takes logits");
    Value* drawn = draw_token(*model_, logits.operand.value, spec.temperature, draw->location());
    if (!spec.prompt.empty()) {
      check_prompt(spec.prompt, logits.operand.value->type, spec.prompt_at);
      drawn = after_prompt(*model_, drawn, scope.names["index"].operand.value, spec.prompt, spec.prompt_at);
    }
    bind_loop_names(scope, {{"drawn", drawn, draw->location()}}, {drawn});
    shown.emplace_back("draw", text);
  }
  if (emit) {
    step.emit.push_back(value_of(*emit, "sample: `emit`", text));
    shown.emplace_back("emit", text);
  } else {
    step.emit.push_back({"", scope.names["drawn"].operand, draw->location()});
  }
  for (std::size_t i = 0; i < carry.size(); ++i) {
    const Json& next = *json.find("carry")->find(carry[i].name)->find("next");
    step.next.push_back(value_of(next, "sample: `next` of `" + carry[i].name + "`", text));
    carried_text.emplace_back(carry[i].name, object_text({{"start", starts[i]}, {"next", text}}));
  }
  if (json.find("carry")) shown.insert(shown.begin(), {"carry", object_text(carried_text)});
  if (json.find("graph")) shown.emplace_back("graph", resolved_body());
  shown.emplace_back("length", std::to_string(spec.length));
  if (spec.stop) shown.emplace_back("stop", std::to_string(*spec.stop));
  if (!spec.prompt.empty()) {
    std::string tokens;
    for (const std::int64_t token : spec.prompt) tokens += (tokens.empty() ? "" : ", ") + std::to_string(token);
    shown.emplace_back("prompt", "[" + tokens + "]");
  }
  shown.emplace_back("temperature", number_text(spec.temperature));
  resolved_.sample = object_text(shown);
  return step;
}

Value* SpecReader::read_sequence(const Json& json) {
  const SequenceSpec spec = read_sequence_numbers(json);
  const Json* carry = json.find("carry");
  if (!json.find("draw") && !json.find("emit"))
    throw UserError(json.location(), "sample: a sequence needs `draw`, logits, or `emit`, a value");
  ScanRequest request;
  request.name = "sample";
  request.at = json.location();
  request.length = Dim(spec.length);
  std::vector<std::string> starts;
  if (carry) request.carry = read_starts(*carry, starts);
  NodeDeclaration node;
  node.name = request.name;
  node.json = &json;
  LoopResults results = scan(*model_, request, [&](const LoopValues& values, const LoopValues&, Value* index) {
    LoopStep step;
    inside_loop(node, {graph_, "", ""}, "", [&](Scope& scope, const GraphPlace& inside) {
      bind_loop_names(scope, request.carry, values);
      bind_loop_names(scope, {{"index", index, {}}}, {index});
      step = read_round(json, spec, request.carry, starts, inside, scope);
    });
    return step;
  });
  // The examples first: [length, N, …] to [N, length, …].
  Term stacked = model_->at(json.location()).term(results.emitted[0]);
  if (stacked.rank() < 2)
    throw UserError(json.location(), "sample: what is emitted is one number a round, without a batch");
  IntList order = {1, 0};
  for (std::size_t d = 2; d < stacked.rank(); ++d) order.push_back(static_cast<std::int64_t>(d));
  return transpose(stacked, order).value();
}

}  // namespace gradc
