// Shorthands that the entries of all op families share.
#include "ir/ops/entry.h"

namespace gradc {

Term equal(Term a, Term b) { return apply("equal", {a, b}); }
Term less(Term a, Term b) { return apply("less", {a, b}); }
Term greater(Term a, Term b) { return apply("greater", {a, b}); }
Term equal(Term a, double b) { return equal(a, a.like(b)); }
Term less(Term a, double b) { return less(a, a.like(b)); }
Term greater(Term a, double b) { return greater(a, a.like(b)); }

Term iota(Builder& builder, DType dtype, const Shape& shape, std::int64_t axis) {
  return builder.term(builder.one("iota", {}, {{"shape", shape}, {"dtype", dtype}, {"axis", axis}}));
}

std::vector<Type> types(std::initializer_list<std::string_view> texts) {
  std::vector<Type> result;
  for (std::string_view text : texts) {
    std::optional<Type> type = parse_type(text);
    ensure(type.has_value(), "the type of a sample does not parse");
    result.push_back(*type);
  }
  return result;
}

std::vector<Sample> same_samples(std::size_t operands, std::initializer_list<std::string_view> texts, double low,
                                 double high) {
  std::vector<Sample> samples;
  for (const Type& type : types(texts)) {
    bool is_unsigned = !is_float(type.dtype) && !is_signed(type.dtype);
    samples.push_back({.operands = std::vector<Type>(operands, type),
                       .low = is_unsigned && low < 0 ? 0 : low,
                       .high = high,
                       .differentiable = is_float(type.dtype)});
  }
  return samples;
}

std::vector<Sample> float_samples(std::size_t operands, double low, double high) {
  return same_samples(operands, {"f64[2,3]", "f32[4,7]", "f64[]", "f32[1,1]", "f64[0,3]", "f32[37]"}, low, high);
}

std::vector<Sample> number_samples(std::size_t operands, double low, double high) {
  return concat(float_samples(operands, low, high),
                same_samples(operands, {"i32[2,3]", "i64[5]", "u32[7]", "u8[3]"}, -9, 10));
}

std::vector<Sample> concat(std::vector<Sample> a, const std::vector<Sample>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

IntList filled_list(const Call& call, std::string_view attribute, std::size_t count, std::int64_t preset) {
  const IntList& list = call.attributes.ints(attribute);
  if (list.empty()) return IntList(count, preset);
  if (list.size() != count)
    call.fail("`" + std::string(attribute) + "` must have " + std::to_string(count) + " entries, got " +
              str(Attribute(list)));
  return list;
}

std::vector<std::int64_t> result_sizes(const Call& call) { return sizes(call.op.infer(call)[0].shape); }

std::vector<std::int64_t> operand_sizes(const Call& call, std::size_t operand) {
  return sizes(call.operand(operand).shape);
}

IndexedForm copying_form(const Call& call, std::vector<IndexMap> index) {
  IndexedForm form;
  form.domain = result_sizes(call);
  form.accesses = {{.operand = 0, .index = std::move(index)}};
  form.body = make_body({call.operand(0).dtype}, [](ScalarBuilder&, Scalars x) { return x[0]; });
  return form;
}

void check_shape(const Call& call, const Shape& shape) {
  for (const Dim& dim : shape)
    if (dim.factor < 0) call.fail("a dimension is negative: " + str(shape));
}

}  // namespace gradc
