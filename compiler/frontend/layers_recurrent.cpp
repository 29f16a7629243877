// Recurrent layers over [N, T, features], with PyTorch's parameters, and attention.
//
// Inside, time comes first. The input's part of all gates is one product over all steps, before the loop; a round adds
// the state's part.
#include <algorithm>
#include <cmath>
#include <limits>

#include "compiler/frontend/layer_pieces.h"
#include "compiler/frontend/loops.h"

namespace gradc {

namespace {

using K = LayerAttributeKind;
using Terms = std::vector<Term>;

Term last_part(Term x, std::int64_t start, std::int64_t length) {
  IntList starts(x.rank(), 0), limits(x.rank(), INT64_MAX);
  starts.back() = start;
  limits.back() = start + length;
  return apply("slice", {x}, {{"start", starts}, {"limit", limits}});
}

// x · weightᵀ over the last dimension.
Term rows_times(Term x, Term weight) {
  auto last = static_cast<std::int64_t>(x.rank()) - 1;
  return apply("dot", {x, weight}, {{"contract_a", IntList{last}}, {"contract_b", IntList{1}}});
}

Term joined(Terms pieces, std::int64_t axis) {
  return pieces.size() == 1 ? pieces[0] : apply("concatenate", std::move(pieces), {{"axis", axis}});
}

Term dropped(LayerCall& call, Term x) {
  double rate = call.number("dropout");
  if (rate == 0) return x;
  Term uniform = uniform_of_step(call, x.shape());
  Term kept = apply("greater_equal", {uniform, uniform.like(rate)});
  Term y = select(kept, x * (1 / (1 - rate)), x.like(0));
  call.model.in_evaluation(y.value(), x.value());
  return y;
}

// A kind of cell: how many gates, whether it has a second state, and one step from the gates' input part and the
// states.
struct Cell {
  std::int64_t gates;
  bool has_c;
  // `recurrent`: weight_hh · h + bias_hh.
  Terms (*step)(const LayerCall& call, Term input, Term recurrent, const Terms& states, std::int64_t units);
};

// h = tanh(W x + b + W h + b), or with relu (Elman, 1990).
Terms step_rnn(const LayerCall& call, Term input, Term recurrent, const Terms&, std::int64_t) {
  return {apply(std::get<std::string>(call.attributes.find("nonlinearity")->second), {input + recurrent})};
}

// c = f c + i g, h = o tanh(c), in the order i, f, g, o (Hochreiter and Schmidhuber, 1997).
Terms step_lstm(const LayerCall&, Term input, Term recurrent, const Terms& states, std::int64_t units) {
  Term all = input + recurrent;
  auto gate = [&](std::int64_t k, const char* op) { return apply(op, {last_part(all, k * units, units)}); };
  Term c = gate(1, "sigmoid") * states[1] + gate(0, "sigmoid") * gate(2, "tanh");
  return {gate(3, "sigmoid") * apply("tanh", {c}), c};
}

// n = tanh(x_n + r h_n), h = (1 - z) n + z h, in the order r, z, n (Cho et al., 2014).
Terms step_gru(const LayerCall&, Term input, Term recurrent, const Terms& states, std::int64_t units) {
  auto part = [&](Term x, std::int64_t k) { return last_part(x, k * units, units); };
  Term r = apply("sigmoid", {part(input, 0) + part(recurrent, 0)});
  Term z = apply("sigmoid", {part(input, 1) + part(recurrent, 1)});
  Term n = apply("tanh", {part(input, 2) + r * part(recurrent, 2)});
  return {n + z * (states[0] - n)};
}

// What runs over the sequence [T, N, features] in one direction: the emissions [T, N, units], and the last states.
struct Run {
  Term emitted;
  Terms states;
};

Run run(LayerCall& call, const Cell& cell, Term x, const std::string& suffix, const Terms& initial, bool reverse) {
  const std::int64_t units = call.size("units"), in = x.shape().back().factor, rows = cell.gates * units;
  const Initializer start = uniform_within(1 / std::sqrt(static_cast<double>(units)));
  auto parameter = [&](const std::string& name, Shape shape) {
    return call.parameter(name + suffix, {x.dtype(), std::move(shape)}, start);
  };
  Term weight_ih = parameter("weight_ih", {rows, in}), weight_hh = parameter("weight_hh", {rows, units});
  Term bias_ih, bias_hh;
  if (call.boolean("bias")) {
    bias_ih = parameter("bias_ih", {rows});
    bias_hh = parameter("bias_hh", {rows});
  }
  Term input = rows_times(x, weight_ih);
  if (bias_ih) input = input + bias_ih;
  ScanRequest request;
  request.name = call.name;
  request.at = call.location;
  request.reverse = reverse;
  constexpr const char* names[] = {"h", "c"};
  for (std::size_t i = 0; i < initial.size(); ++i)
    request.carry.push_back({names[i], initial[i].value(), call.location});
  request.over.push_back({"x", input.value(), call.location});
  LoopResults results = scan(call.model, request, [&](const LoopValues& carry, const LoopValues& slices, Value*) {
    Builder& builder = call.model.at(call.location);
    Terms states;
    for (Value* value : carry) states.push_back(builder.term(value));
    Term recurrent = rows_times(states[0], weight_hh);
    if (bias_hh) recurrent = recurrent + bias_hh;
    Terms next = cell.step(call, builder.term(slices[0]), recurrent, states, units);
    LoopStep step;
    for (std::size_t i = 0; i < next.size(); ++i) step.next.push_back({names[i], next[i].value(), call.location});
    step.emit.push_back({"y", next[0].value(), call.location});
    return step;
  });
  Builder& builder = call.model.at(call.location);
  Run done{builder.term(results.emitted[0]), {}};
  for (Value* value : results.carried) done.states.push_back(builder.term(value));
  return done;
}

// An initial state [layers · directions, N, units], or null.
void check_state(const LayerCall& call, std::size_t operand, const Shape& wanted) {
  const Value* state = operand < call.operands.size() ? call.operands[operand] : nullptr;
  if (!state || state->type == Type{call.operands[0]->type.dtype, wanted}) return;
  call.fail("", "`" + call.layer.operands[operand].name + "` must be " +
                    Type{call.operands[0]->type.dtype, wanted}.str() + " (layers · directions, N, units), got " +
                    state->type.str());
}

Term recurrent(LayerCall& call, const Cell& cell) {
  need_rank(call, 3, "[N, T, features]");
  need_float(call);
  fixed(call, 2);
  const std::int64_t units = call.size("units"), depth = call.size("layers");
  const bool both = call.boolean("bidirectional"), backward = call.boolean("reverse");
  if (both && backward) call.fail("reverse", "runs in both directions already, `reverse` is for one");
  if (call.number("dropout") > 0 && depth == 1) call.warn("dropout", "`dropout` acts between layers, and there is one");
  const std::int64_t directions = both ? 2 : 1;
  const Type type = call.operands[0]->type;
  const std::size_t states = cell.has_c ? 2 : 1;
  const Shape all_states = {depth * directions, type.shape[0], units}, one_state = {type.shape[0], units};
  for (std::size_t s = 0; s < states; ++s) check_state(call, 1 + s, all_states);
  Term sequence = transpose(call.x(), {1, 0, 2});
  std::vector<Terms> finals(states);
  for (std::int64_t layer = 0; layer < depth; ++layer) {
    Terms pieces;
    if (layer > 0) sequence = dropped(call, sequence);
    for (std::int64_t d = 0; d < directions; ++d) {
      Terms initial;
      for (std::size_t s = 0; s < states; ++s) {
        Builder& builder = call.model.at(call.location);
        const bool given = 1 + s < call.operands.size() && call.operands[1 + s];
        std::int64_t at = layer * directions + d;
        initial.push_back(
            given ? reshape(apply("slice", {builder.term(call.operands[1 + s])},
                                  {{"start", IntList{at, 0, 0}}, {"limit", IntList{at + 1, INT64_MAX, INT64_MAX}}}),
                            one_state)
                  : builder.term(builder.full({type.dtype, one_state}, 0)));
      }
      Run done = run(call, cell, sequence, "_l" + std::to_string(layer) + (d == 1 ? "_reverse" : ""), initial,
                     backward || d == 1);
      pieces.push_back(done.emitted);
      for (std::size_t s = 0; s < states; ++s) finals[s].push_back(done.states[s]);
    }
    sequence = joined(pieces, 2);
  }
  Shape single = one_state;
  single.insert(single.begin(), Dim(1));
  Terms last(finals[0].end() - directions, finals[0].end());
  call.results.emplace_back("last", joined(last, 1).value());
  for (std::size_t s = 0; s < states; ++s) {
    for (Term& state : finals[s]) state = reshape(state, single);
    call.results.emplace_back(s == 0 ? "h" : "c", joined(finals[s], 0).value());
  }
  return transpose(sequence, {1, 0, 2});
}

LayerSpec recurrent_spec(const std::string& name, const std::string& doc, Cell cell) {
  LayerSpec spec;
  spec.name = name;
  spec.doc = doc;
  spec.operands = {{"x", "[N, T, features]"},
                   {"h", "the initial state, [layers · directions, N, units]; default: zeros"}};
  if (cell.has_c) spec.operands.push_back({"c", "the initial cell state, as `h`"});
  spec.optional_operands = cell.has_c ? 2 : 1;
  spec.attributes = {{"units", K::size, "features of the state", {}, ""}};
  if (name == "rnn") {
    LayerAttribute choice{"nonlinearity", K::choice, "what a step ends with", std::string("tanh"), ""};
    choice.choices = {"tanh", "relu"};
    spec.attributes.push_back(choice);
  }
  spec.attributes.push_back({"layers", K::size, "stacked, each over the states of the one below", std::int64_t{1}, ""});
  spec.attributes.push_back({"bidirectional", K::boolean, "runs in both directions, states side by side", false, ""});
  spec.attributes.push_back({"reverse", K::boolean, "runs from the last step to the first", false, ""});
  spec.attributes.push_back({"dropout", K::number, "share of the states dropped between layers", 0.0, "", 0, 1});
  spec.attributes.push_back({"bias", K::boolean, "whether the gates have biases", true, ""});
  spec.owns_parameters = true;
  spec.results = {"last", "h"};
  if (cell.has_c) spec.results.push_back("c");
  spec.build = [cell](LayerCall& call) { return recurrent(call, cell); };
  return spec;
}

// ---- attention ----

struct Projection {
  Term q, k, v;
};

// Queries, keys and values [N, length, E] by PyTorch's parameters: one matrix where all are E wide, else one each.
Projection project(LayerCall& call, const Terms& inputs, std::int64_t width) {
  const DType dtype = inputs[0].dtype();
  std::vector<std::int64_t> in;
  for (const Term& x : inputs) in.push_back(x.shape().back().factor);
  Terms out;
  const bool one = in[1] == width && in[2] == width;
  Term weight, bias;
  if (one) weight = call.parameter("in_proj_weight", {dtype, {3 * width, width}}, initializer("glorot_uniform"));
  if (call.boolean("bias")) bias = call.parameter("in_proj_bias", {dtype, {3 * width}}, initializer("zeros"));
  constexpr const char* names[] = {"q_proj_weight", "k_proj_weight", "v_proj_weight"};
  for (std::int64_t i = 0; i < 3; ++i) {
    auto rows = [&](Term all) {
      IntList starts(all.rank(), 0), limits(all.rank(), INT64_MAX);
      starts[0] = i * width;
      limits[0] = (i + 1) * width;
      return apply("slice", {all}, {{"start", starts}, {"limit", limits}});
    };
    auto at = static_cast<std::size_t>(i);
    Term own = one ? rows(weight) : call.parameter(names[i], {dtype, {width, in[at]}}, initializer("glorot_uniform"));
    Term y = rows_times(inputs[at], own);
    out.push_back(bias ? y + rows(bias) : y);
  }
  return {out[0], out[1], out[2]};
}

// Which scores count, over [N, heads, T, S]; null: all.
Term allowed(LayerCall& call, const Shape& scores) {
  Builder& builder = call.model.at(call.location);
  Term result;
  if (call.boolean("causal")) {
    auto places = [&](std::int64_t axis) {
      return builder.term(
          builder.one("iota", {}, {{"shape", Shape{scores[2], scores[3]}}, {"dtype", DType::i32}, {"axis", axis}}));
    };
    result = broadcast_in(apply("greater_equal", {places(0), places(1)}), scores, {2, 3});
  }
  Value* mask = call.operands.size() > 3 ? call.operands[3] : nullptr;
  if (!mask) return result;
  const Shape pairs = {scores[2], scores[3]}, each = {scores[0], scores[2], scores[3]}, keys = {scores[0], scores[3]};
  IntList dims;
  if (mask->type.shape == pairs) dims = {2, 3};
  if (mask->type.shape == keys) dims = {0, 3};
  if (mask->type.shape == each) dims = {0, 2, 3};
  if (dims.empty() || mask->type.dtype != DType::boolean)
    call.fail("", "`mask` must be " + Type{DType::boolean, pairs}.str() + ", " + Type{DType::boolean, keys}.str() +
                      " or " + Type{DType::boolean, each}.str() + ", true where a key may be seen, got " +
                      mask->type.str());
  Term given = broadcast_in(builder.term(mask), scores, dims);
  return result ? apply("logical_and", {result, given}) : given;
}

// softmax(q kᵀ / √d) v for each head, joined and projected (Vaswani et al., 2017).
Term attention(LayerCall& call) {
  need_rank(call, 3, "[N, T, features]");
  need_float(call);
  const std::int64_t width = fixed(call, 2), heads = call.size("heads"), each = width / heads;
  if (width % heads != 0)
    call.fail("heads",
              std::to_string(heads) + " heads do not divide the " + std::to_string(width) + " features of `x`");
  Terms inputs = {call.x()};
  for (std::size_t i : {1, 2}) {
    Value* given = i < call.operands.size() ? call.operands[i] : nullptr;
    inputs.push_back(given ? call.x(i) : inputs[i - 1]);
    const Type& type = inputs[i].type();
    const Shape& from = i == 1 ? call.operands[0]->type.shape : inputs[1].shape();
    bool fits = type.rank() == 3 && type.dtype == inputs[0].dtype() && type.shape[0] == from[0] &&
                (i == 1 || type.shape[1] == from[1]) && type.shape[2].is_static();
    if (!fits)
      call.fail("", "`" + call.layer.operands[i].name + "` must be [N, S, features] beside " +
                        inputs[i - 1].type().str() + ", got " + type.str());
  }
  Projection p = project(call, inputs, width);
  auto by_head = [&](Term y) { return transpose(reshape(y, {y.shape()[0], y.shape()[1], heads, each}), {0, 2, 1, 3}); };
  Term q = by_head(p.q), k = by_head(p.k), v = by_head(p.v);
  const IntList batch = {0, 1};
  Term scores = apply("dot", {q * (1 / std::sqrt(static_cast<double>(each))), k},
                      {{"contract_a", IntList{3}}, {"contract_b", IntList{3}}, {"batch_a", batch}, {"batch_b", batch}});
  if (Term counts = allowed(call, scores.shape()))
    scores = select(counts, scores, scores.like(-std::numeric_limits<double>::infinity()));
  Term weights = apply("softmax", {scores}, {{"axis", std::int64_t{-1}}});
  Term seen = apply("dot", {dropped(call, weights), v},
                    {{"contract_a", IntList{3}}, {"contract_b", IntList{2}}, {"batch_a", batch}, {"batch_b", batch}});
  seen = reshape(transpose(seen, {0, 2, 1, 3}), call.operands[0]->type.shape);
  Term weight =
      call.parameter("out_proj.weight", {seen.dtype(), {width, width}}, initializer("he_uniform", {std::sqrt(5.0)}));
  call.results.emplace_back("weights", weights.value());
  Term y = rows_times(seen, weight);
  if (!call.boolean("bias")) return y;
  return y + call.parameter("out_proj.bias", {seen.dtype(), {width}}, initializer("zeros"));
}

LayerSpec attention_spec() {
  LayerSpec spec;
  spec.name = "multi_head_attention";
  spec.doc =
      "softmax(q kᵀ / √d) v for each head, q, k and v being projections of [N, length, features] (Vaswani et al., "
      "2017).";
  spec.operands = {{"x", "queries, [N, T, features]"},
                   {"keys", "[N, S, features]; default: x"},
                   {"values", "[N, S, features]; default: the keys"},
                   {"mask", "bool[T,S], bool[N,S] or bool[N,T,S], true where a key may be seen; default: all"}};
  spec.optional_operands = 3;
  spec.attributes = {{"heads", K::size, "how many; they divide the features", {}, ""},
                     {"causal", K::boolean, "a query sees no key after its own place", false, ""},
                     {"dropout", K::number, "share of the weights dropped in training", 0.0, "", 0, 1},
                     {"bias", K::boolean, "whether the projections have biases", true, ""}};
  spec.owns_parameters = true;
  spec.results = {"weights"};
  spec.build = attention;
  return spec;
}

}  // namespace

void add_recurrent_layers(std::vector<LayerSpec>& table) {
  const std::string ends =
      " Results: the states of all steps [N, T, units · directions]; `last`, those of the top layer after its last "
      "step; `h`";
  table.push_back(recurrent_spec("rnn", "h = tanh(W x + b + W h + b) at every step." + ends + ", those of all layers.",
                                 {1, false, step_rnn}));
  table.push_back(recurrent_spec(
      "lstm",
      "Long short-term memory (Hochreiter and Schmidhuber, 1997)." + ends + " and `c`, the states of all layers.",
      {4, true, step_lstm}));
  table.push_back(recurrent_spec("gru", "Gated recurrent units (Cho et al., 2014)." + ends + ", those of all layers.",
                                 {3, false, step_gru}));
  table.push_back(attention_spec());
}

}  // namespace gradc
