// Control flow: scan, while and cond, whose regions become real loops and branches.
#include "ir/ops/loop.h"
#include "ir/interpret.h"
#include "ir/ops/entry.h"

namespace gradc {

namespace {

using Tensors = std::vector<Tensor>;

const Region& region(const Call& call, std::size_t i) { return *(*call.regions)[i]; }

void check_regions(const Call& call, std::size_t count) {
  if (!call.regions || call.regions->size() != count)
    call.fail("takes " + std::to_string(count) + (count == 1 ? " region" : " regions") + ", got " +
              std::to_string(call.regions ? call.regions->size() : 0));
}

// A count given by an attribute, of operands from `first` on.
std::size_t operand_count(const Call& call, std::string_view attribute, std::size_t first) {
  const std::int64_t count = call.attributes.integer(attribute);
  const auto left = static_cast<std::int64_t>(call.operands.size() - first);
  if (count < 0 || count > left)
    call.fail("`" + std::string(attribute) + "` is " + std::to_string(count) + ", with " + std::to_string(left) +
              (left == 1 ? " operand" : " operands") + " left for it");
  return static_cast<std::size_t>(count);
}

// The parameters of a region have the given types.
void check_parameters(const Call& call, const std::string& which, const Region& inner, const Types& expected) {
  if (inner.parameters.size() != expected.size())
    call.fail(which + " has " + std::to_string(inner.parameters.size()) + " parameters, its operands make " +
              std::to_string(expected.size()));
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const Value& parameter = *inner.parameters[i];
    if (parameter.type == expected[i]) continue;
    call.fail("parameter " + std::to_string(i + 1) + " of " + which +
              (parameter.name.empty() ? "" : ", `" + parameter.name + "`,") + " is " + parameter.type.str() +
              ", its operand makes it " + expected[i].str());
  }
}

// The first results of a region are the new content of its first parameters.
void check_carried(const Call& call, const std::string& which, const Region& inner, std::size_t carried) {
  if (inner.results.size() < carried)
    call.fail(which + " yields " + std::to_string(inner.results.size()) + " values for " + std::to_string(carried) +
              " carried ones");
  for (std::size_t i = 0; i < carried; ++i) {
    const Value& parameter = *inner.parameters[i];
    if (inner.results[i]->type == parameter.type) continue;
    call.fail("carried value " + std::to_string(i + 1) + (parameter.name.empty() ? "" : ", `" + parameter.name + "`,") +
              " is " + parameter.type.str() + " and becomes " + inner.results[i]->type.str() +
              "; it must keep its type");
  }
}

// ---- scan ----

Dim scan_length(const Call& call, std::size_t carried, std::size_t sliced) {
  const Shape& given = call.attributes.shape("length");
  if (given.size() > 1) call.fail("`length` is " + str(given) + "; it must be one number");
  if (given.empty() && sliced == 0) call.fail("has nothing to slice; it needs a `length`");
  std::optional<Dim> length;
  if (!given.empty()) length = given[0];
  if (length && length->factor < 0) call.fail("`length` is " + str(given));
  for (std::size_t i = carried; i < carried + sliced; ++i) {
    const Type& type = call.operand(i);
    if (type.rank() == 0) call.fail("can't slice " + type.str() + ", which has no dimensions");
    if (!length) length = type.shape[0];
    if (type.shape[0] != *length)
      call.fail("its length is " + str(Shape{*length}) + ", and operand " + std::to_string(i + 1) + " has the type " +
                type.str() + "; the first dimensions of sliced operands must be equal");
  }
  return *length;
}

Types scan_types(const Call& call) {
  check_regions(call, 1);
  const std::size_t carried = operand_count(call, "carried", 0);
  const std::size_t sliced = operand_count(call, "sliced", carried);
  const Dim length = scan_length(call, carried, sliced);
  Types expected = call.operands;
  for (std::size_t i = carried; i < carried + sliced; ++i) expected[i].shape.erase(expected[i].shape.begin());
  const Region& body = region(call, 0);
  check_parameters(call, "its region", body, expected);
  check_carried(call, "its region", body, carried);
  Types types(call.operands.begin(), call.operands.begin() + static_cast<std::ptrdiff_t>(carried));
  for (std::size_t i = carried; i < body.results.size(); ++i) {
    Type type = body.results[i]->type;
    type.shape.insert(type.shape.begin(), length);
    types.push_back(std::move(type));
  }
  return types;
}

Tensor slice_of(const Tensor& from, std::int64_t t) {
  Type type = from.type();
  type.shape.erase(type.shape.begin());
  Tensor slice(type);
  std::copy_n(from.data() + t * slice.bytes(), slice.bytes(), slice.data());
  return slice;
}

std::optional<Dim> scan_rounds(const Call& call) {
  const std::size_t carried = operand_count(call, "carried", 0);
  return scan_length(call, carried, operand_count(call, "sliced", carried));
}

Tensors evaluate_scan(const Call& call, std::span<const Tensor> operands) {
  const std::size_t carried = operand_count(call, "carried", 0);
  const std::size_t sliced = operand_count(call, "sliced", carried);
  const Region& body = region(call, 0);
  const std::int64_t length = scan_length(call, carried, sliced).factor;
  Tensors results(operands.begin(), operands.begin() + static_cast<std::ptrdiff_t>(carried));
  const Types types = scan_types(call);
  for (std::size_t i = carried; i < types.size(); ++i) results.emplace_back(types[i]);
  for (std::int64_t k = 0; k < length; ++k) {
    const std::int64_t t = call.attributes.boolean("reverse") ? length - 1 - k : k;
    Tensors arguments(operands.begin(), operands.end());
    for (std::size_t i = 0; i < carried; ++i) arguments[i] = results[i];
    for (std::size_t i = carried; i < carried + sliced; ++i) arguments[i] = slice_of(operands[i], t);
    const Tensors found = interpret(body, arguments);
    for (std::size_t i = 0; i < carried; ++i) results[i] = found[i];
    for (std::size_t i = carried; i < found.size(); ++i)
      std::copy_n(found[i].data(), found[i].bytes(), results[i].data() + t * found[i].bytes());
  }
  return results;
}

// ---- while ----

Types while_types(const Call& call) {
  check_regions(call, 2);
  const std::size_t carried = operand_count(call, "carried", 0);
  if (call.attributes.integer("max_trips") < 0)
    call.fail("`max_trips` is " + std::to_string(call.attributes.integer("max_trips")));
  const Region &condition = region(call, 0), &body = region(call, 1);
  check_parameters(call, "its condition", condition, call.operands);
  check_parameters(call, "its body", body, call.operands);
  if (condition.results.size() != 1 || condition.results[0]->type != Type{DType::boolean, {}})
    call.fail("its condition must yield one bool[]" +
              (condition.results.empty() ? "" : ", got " + condition.results[0]->type.str()));
  if (body.results.size() != carried)
    call.fail("its body yields " + std::to_string(body.results.size()) + " values for " + std::to_string(carried) +
              " carried ones");
  check_carried(call, "its body", body, carried);
  return {call.operands.begin(), call.operands.begin() + static_cast<std::ptrdiff_t>(carried)};
}

std::optional<Dim> while_rounds(const Call& call) {
  const std::int64_t most = call.attributes.integer("max_trips");
  return most == 0 ? std::nullopt : std::optional(Dim(most));
}

Tensors evaluate_while(const Call& call, std::span<const Tensor> operands) {
  const std::size_t carried = operand_count(call, "carried", 0);
  const std::int64_t most = call.attributes.integer("max_trips");
  Tensors arguments(operands.begin(), operands.end());
  for (std::int64_t trips = 0; most == 0 || trips < most; ++trips) {
    if (interpret(region(call, 0), arguments)[0].get_integer(0) == 0) break;
    Tensors next = interpret(region(call, 1), arguments);
    std::move(next.begin(), next.end(), arguments.begin());
  }
  arguments.resize(carried);
  return arguments;
}

// ---- cond ----

Types cond_types(const Call& call) {
  check_regions(call, 2);
  if (call.operand(0) != Type{DType::boolean, {}})
    call.fail("its predicate must be bool[], got " + call.operand(0).str() + "; reduce it with `any` or `all`");
  const Types expected(call.operands.begin() + 1, call.operands.end());
  const Region &yes = region(call, 0), &no = region(call, 1);
  check_parameters(call, "its first branch", yes, expected);
  check_parameters(call, "its second branch", no, expected);
  if (yes.results.size() != no.results.size())
    call.fail("its branches yield " + std::to_string(yes.results.size()) + " and " + std::to_string(no.results.size()) +
              " values");
  Types types;
  for (std::size_t i = 0; i < yes.results.size(); ++i) {
    if (yes.results[i]->type != no.results[i]->type)
      call.fail("its branches yield " + yes.results[i]->type.str() + " and " + no.results[i]->type.str() +
                "; they must have one type");
    types.push_back(yes.results[i]->type);
  }
  return types;
}

Tensors evaluate_cond(const Call& call, std::span<const Tensor> operands) {
  return interpret(region(call, operands[0].get_integer(0) != 0 ? 0 : 1), operands.subspan(1));
}

// ---- samples ----

using Regions = std::vector<std::unique_ptr<Region>>;

// A region with parameters of the given types that yields what `write` makes of them.
template <class Write>
std::unique_ptr<Region> sample_region(std::initializer_list<std::string_view> parameters, const Write& write) {
  auto made = std::make_unique<Region>();
  Builder builder(*made);
  Terms arguments;
  for (const Type& type : types(parameters)) arguments.push_back(builder.term(made->add_parameter(type, "")));
  for (const Term& term : write(arguments)) made->results.push_back(term.value());
  return made;
}

Regions list(std::unique_ptr<Region> first, std::unique_ptr<Region> second = nullptr) {
  Regions regions;
  regions.push_back(std::move(first));
  if (second) regions.push_back(std::move(second));
  return regions;
}

Sample scan_sample(std::initializer_list<std::string_view> operands, Attributes attributes,
                   std::function<Regions()> regions) {
  return {.operands = types(operands), .attributes = std::move(attributes), .regions = std::move(regions)};
}

std::vector<Sample> scan_samples() {
  // h ← tanh(h w + x), emits h x
  const auto recurrent = [] {
    return list(sample_region({"f64[3]", "f64[3]", "f64[3,3]"}, [](const Terms& p) {
      const Term h = apply("tanh", {apply("matmul", {p[0], p[2]}) + p[1]});
      return Terms{h, p[0] * p[1]};
    }));
  };
  // Counts, and multiplies by what it counts: a carried integer, no slices.
  const auto counting = [] {
    return list(sample_region({"i64[]", "f64[2]"}, [](const Terms& p) {
      return Terms{p[0] + 1, p[1] * broadcast(cast(p[0], DType::f64), {2})};
    }));
  };
  // Two carried values that exchange their places.
  const auto exchange = [] {
    return list(sample_region({"f64[]", "f64[]", "f64[]"},
                              [](const Terms& p) { return Terms{p[1], apply("sin", {p[0] * p[2]}), p[0] * p[1]}; }));
  };
  const auto maps = [] {
    return list(sample_region({"f32[5]", "f32[5]"}, [](const Terms& p) { return Terms{p[0] * p[1]}; }));
  };
  const std::int64_t one = 1, two = 2, none = 0;
  return {scan_sample({"f64[3]", "f64[4,3]", "f64[3,3]"}, {{"carried", one}, {"sliced", one}}, recurrent),
          scan_sample({"f64[3]", "f64[4,3]", "f64[3,3]"}, {{"carried", one}, {"sliced", one}, {"reverse", true}},
                      recurrent),
          scan_sample({"f64[3]", "f64[0,3]", "f64[3,3]"}, {{"carried", one}, {"sliced", one}}, recurrent),
          scan_sample({"i64[]", "f64[2]"}, {{"carried", two}, {"sliced", none}, {"length", Shape{3}}}, counting),
          scan_sample({"f64[]", "f64[]", "f64[5]"}, {{"carried", two}, {"sliced", one}}, exchange),
          scan_sample({"f32[7,5]", "f32[5]"}, {{"carried", none}, {"sliced", one}}, maps)};
}

std::vector<Sample> while_samples() {
  // At most to 9, while the sum of squares is below a bound: x ← x + x w.
  const auto growth = [] {
    return list(sample_region({"i32[]", "f64[2]", "f64[]"},
                              [](const Terms& p) {
                                const Term more = less(apply("sum", {p[1] * p[1]}), 20);
                                return Terms{apply("logical_and", {more, less(p[0], 9)})};
                              }),
                sample_region({"i32[]", "f64[2]", "f64[]"},
                              [](const Terms& p) { return Terms{p[0] + 1, p[1] + p[1] * p[2]}; }));
  };
  const auto counted = [] {
    return list(
        sample_region({"i32[]", "f64[3]"}, [](const Terms& p) { return Terms{less(p[0], 3)}; }),
        sample_region({"i32[]", "f64[3]"}, [](const Terms& p) { return Terms{p[0] + 1, apply("cos", {p[1]})}; }));
  };
  const std::int64_t two = 2;
  return {scan_sample({"i32[]", "f64[2]", "f64[]"}, {{"carried", two}, {"max_trips", std::int64_t{5}}}, growth),
          scan_sample({"i32[]", "f64[3]"}, {{"carried", two}, {"max_trips", std::int64_t{4}}}, counted),
          scan_sample({"i32[]", "f64[3]"}, {{"carried", two}, {"max_trips", std::int64_t{1}}}, counted)};
}

std::vector<Sample> cond_samples() {
  const auto branches = [] {
    return list(sample_region({"f64[2,3]", "f64[3]"}, [](const Terms& p) { return Terms{p[0] * p[1], p[1]}; }),
                sample_region({"f64[2,3]", "f64[3]"},
                              [](const Terms& p) { return Terms{apply("sin", {p[0]}), reduce_sum(p[0], {0})}; }));
  };
  const auto single = [] {
    return list(sample_region({"f32[5]"}, [](const Terms& p) { return Terms{p[0] * p[0]}; }),
                sample_region({"f32[5]"}, [](const Terms& p) { return Terms{-p[0]}; }));
  };
  const auto integers = [] {
    return list(sample_region({"i32[2]"}, [](const Terms& p) { return Terms{p[0] + 1}; }),
                sample_region({"i32[2]"}, [](const Terms& p) { return p; }));
  };
  return {scan_sample({"bool[]", "f64[2,3]", "f64[3]"}, {}, branches), scan_sample({"bool[]", "f32[5]"}, {}, single),
          scan_sample({"bool[]", "i32[2]"}, {}, integers)};
}

}  // namespace

void register_loop(Registry& registry) {
  registry.add({
      .name = "scan",
      .doc = "A loop of known length. Its region takes the carried values, slice t of each sliced operand (which loses "
             "its "
             "first dimension) and the invariant operands as they are; it yields the new carried values, then what it "
             "emits. Results: the last carried values, then the emissions of all rounds along a new first dimension.",
      .operands = {{"operands", "initial carried values, sliced values, invariants", true}},
      .attributes = {{"carried", AttributeKind::integer, "how many operands are carried", {}},
                     {"sliced", AttributeKind::integer, "how many operands after them are sliced", {}},
                     {"length", AttributeKind::shape, "number of rounds; empty: the sliced operands' first dimension",
                      Shape{}},
                     {"reverse", AttributeKind::boolean, "t runs from the last round to the first", false}},
      .infer = scan_types,
      .vjp = scan_vjp,
      .jvp = scan_jvp,
      .evaluate = evaluate_scan,
      .irregular = Irregular::region,
      .rounds = scan_rounds,
      .internal = true,
      .samples = scan_samples(),
  });
  registry.add({
      .name = "while",
      .doc =
          "A loop that runs while its first region, the condition, yields true. Both regions take the carried values "
          "and the invariant operands; the second, the body, yields the new carried values. Results: the last carried "
          "values. With `max_trips` it ends after so many rounds at the latest, and has a reverse mode.",
      .operands = {{"operands", "initial carried values, invariants", true}},
      .attributes = {{"carried", AttributeKind::integer, "how many operands are carried", {}},
                     {"max_trips", AttributeKind::integer, "the most rounds; 0: no bound", std::int64_t{0}}},
      .infer = while_types,
      .vjp = while_vjp,
      .jvp = while_jvp,
      .evaluate = evaluate_while,
      .irregular = Irregular::region,
      .rounds = while_rounds,
      .internal = true,
      .samples = while_samples(),
  });
  registry.add({
      .name = "cond",
      .doc = "The results of the first region where the predicate is true, else of the second. Both take the operands "
             "after the predicate; only the chosen one runs.",
      .operands = {{"predicate", "bool[]"}, {"operands", "of both regions", true}},
      .infer = cond_types,
      .vjp = cond_vjp,
      .jvp = cond_jvp,
      .evaluate = evaluate_cond,
      .irregular = Irregular::region,
      .internal = true,
      .samples = cond_samples(),
  });
}

}  // namespace gradc
