// The value of a graph value at coordinates: see engine.h.
#include "compiler/lower/engine.h"

#include <algorithm>
#include <bit>

namespace gradc {

std::optional<std::vector<Affine>> split_affine(const KernelWriter& writer, const Affine& affine,
                                                const std::vector<std::int64_t>& strides,
                                                const std::vector<std::int64_t>& extents) {
  std::vector<Affine> parts(strides.size());
  for (const Affine::Part& p : affine.parts) {
    std::size_t k = 0;
    while (k < strides.size() && (p.coefficient % strides[k] != 0 || extents[k] == 1)) ++k;
    if (k == strides.size()) return std::nullopt;
    parts[k] = parts[k] + affine_variable(p.variable, p.coefficient / strides[k]);
  }
  std::int64_t rest = affine.offset;
  for (std::size_t k = 0; k < strides.size(); ++k) {
    std::int64_t whole = rest / strides[k];
    parts[k].offset += whole;
    rest -= whole * strides[k];
    Range r = writer.range(parts[k]);
    if (r.low < 0 || r.high >= extents[k]) return std::nullopt;
  }
  if (rest != 0) return std::nullopt;
  return parts;
}

Engine::Key Engine::key_of(const Value* value, const Coordinates& coordinates) const {
  Key key{static_cast<std::int64_t>(reinterpret_cast<std::intptr_t>(value))};
  for (const Coordinate& c : coordinates) {
    key.insert(key.end(), {c.affine.offset, c.value, c.divisor, static_cast<std::int64_t>(c.affine.parts.size())});
    for (const Affine::Part& p : c.affine.parts) key.insert(key.end(), {p.variable, p.coefficient});
  }
  return key;
}

void Engine::know(const Value* value, Coordinates coordinates, Scalar scalar) {
  known_[buffers_.resolve(value)].push_back({std::move(coordinates), scalar});
}

bool Engine::computed(const Value* value) const {
  value = buffers_.resolve(value);
  return buffers_.find(value) < 0 && value->node && value->node->op->irregular != Irregular::constant;
}

Scalar Engine::at(const Value* value, const Coordinates& coordinates) {
  value = buffers_.resolve(value);
  Key key = key_of(value, coordinates);
  if (auto found = memo_.find(key); found != memo_.end() && w_.visible(found->second)) return found->second;
  Scalar result = compute(value, coordinates);
  memo_[key] = result;
  return result;
}

Scalar Engine::compute(const Value* value, const Coordinates& coordinates) {
  if (auto known = known_.find(value); known != known_.end())
    for (const Known& k : known->second)
      if (k.at == coordinates && w_.visible(k.scalar)) return k.scalar;
  const std::vector<std::int64_t> shape = sizes(value->type.shape);
  if (int buffer = buffers_.find(value); buffer >= 0)
    return w_.load(access_of(w_, buffer, shape, coordinates, 0, true));
  if (!value->node) throw NeedsBuffer{value};
  const Node& node = *value->node;
  switch (node.op->irregular) {
    case Irregular::constant: {
      const Tensor& literal = node.attributes.literal("value");
      if (!is_splat(literal)) return w_.load(access_of(w_, buffers_.table(value), shape, coordinates, 0, true));
      if (is_float(value->type.dtype)) return w_.number(value->type.dtype, literal.get(0));
      return w_.constant(value->type.dtype, scalar_from_integer(value->type.dtype, literal.get_integer(0)));
    }
    case Irregular::reshape:
      return at(node.operands[0], reshape(coordinates, shape, sizes(node.operands[0]->type.shape)));
    case Irregular::gather:
      return gather(node, coordinates);
    case Irregular::none:
      break;
    default:
      throw NeedsBuffer{value};
  }
  const IndexedForm& form = buffers_.form(node);
  if (form.combiner != Combiner::none || !form.reduction.empty()) throw NeedsBuffer{value};
  return body(node, form, domain_of(form, coordinates));
}

Coordinate Engine::apply(const IndexMap& map, const Coordinates& variables) {
  std::vector<std::pair<std::int64_t, Coordinate>> terms;
  for (std::size_t v = 0; v < map.coefficients.size(); ++v)
    if (map.coefficients[v] != 0) terms.emplace_back(map.coefficients[v], variables[v]);
  return w_.linear(terms, map.offset, map.divisor);
}

Scalar Engine::access(const Node& node, const OperandAccess& access, const Coordinates& variables) {
  const Value* operand = node.operands[static_cast<std::size_t>(access.operand)];
  if (const auto other = redirected_.find(&access); other != redirected_.end()) operand = other->second;
  Coordinates coordinates;
  for (const IndexMap& map : access.index) coordinates.push_back(apply(map, variables));
  return read(operand, coordinates, access.guarded, access.outside);
}

Scalar Engine::body(const Node& node, const IndexedForm& form, const Coordinates& variables) {
  std::vector<Scalar> arguments;
  for (const OperandAccess& a : form.accesses) arguments.push_back(access(node, a, variables));
  std::vector<Scalar> indices(variables.size());
  for (const Instr& i : form.body.code)
    if (i.op == Opcode::index) {
      std::size_t v = static_cast<std::size_t>(i.integer);
      if (indices[v].id < 0) indices[v] = w_.value_of(variables[v]);
    }
  return w_.splice(form.body, arguments, indices);
}

Scalar Engine::read(const Value* value, const Coordinates& coordinates, bool guarded, double outside) {
  value = buffers_.resolve(value);
  const std::vector<std::int64_t> shape = sizes(value->type.shape);
  bool all = true;
  for (std::size_t d = 0; d < shape.size(); ++d) all = all && w_.proven(coordinates[d], shape[d]);
  if (!guarded || all) return at(value, coordinates);
  if (value->type.elements() == 0) return w_.number(value->type.dtype, outside);
  if (int buffer = buffers_.find(value); buffer >= 0) {
    Key key = key_of(value, coordinates);
    key.insert(key.end(), {-1, std::bit_cast<std::int64_t>(outside)});
    if (auto found = memo_.find(key); found != memo_.end() && w_.visible(found->second)) return found->second;
    return memo_[key] = w_.load(access_of(w_, buffer, shape, coordinates, outside, false));
  }
  Scalar inside{};
  for (std::size_t d = 0; d < shape.size(); ++d) {
    if (w_.proven(coordinates[d], shape[d])) continue;
    Scalar one = w_.inside(coordinates[d], shape[d]);
    Scalar both[] = {inside, one};
    inside = inside.id < 0 ? one : w_.emit(Opcode::bit_and, DType::boolean, both);
  }
  Scalar args[] = {inside, at(value, coordinates), w_.number(value->type.dtype, outside)};
  return w_.emit(Opcode::select, value->type.dtype, args);
}

Scalar Engine::gather(const Node& node, const Coordinates& coordinates) {
  const Value* x = buffers_.resolve(node.operands[0]);
  const Value* index = node.operands[1];
  std::size_t rank = x->type.rank();
  std::size_t axis = static_cast<std::size_t>(normal_axis(call_of(node), node.attributes.integer("axis"), rank));
  auto begin = coordinates.begin() + static_cast<std::ptrdiff_t>(axis);
  auto end = begin + static_cast<std::ptrdiff_t>(index->type.rank());
  Scalar i = w_.convert(at(index, Coordinates(begin, end)), DType::i64);
  bool direct = buffers_.find(x) >= 0;
  if (!direct)
    i = w_.write([&](ScalarBuilder& b) {
      Scalar v{&b, i.id, DType::i64};
      Scalar zero = b.integer(DType::i64, 0);
      Scalar last = b.integer(DType::i64, x->type.shape[axis].factor - 1);
      v = b.select(v < zero, zero, v);
      return b.select(last < v, last, v);
    });
  Coordinates inner(coordinates.begin(), begin);
  Coordinate c;
  c.value = i.id;
  inner.push_back(c);
  inner.insert(inner.end(), end, coordinates.end());
  return at(x, inner);
}

Coordinates Engine::split(const Coordinate& c, const std::vector<std::int64_t>& strides,
                          const std::vector<std::int64_t>& extents) {
  Coordinates out;
  if (c.value < 0 && c.divisor == 1)
    if (auto parts = split_affine(w_, c.affine, strides, extents)) {
      for (Affine& part : *parts) out.push_back(coordinate(std::move(part)));
      return out;
    }
  Scalar whole = w_.value_of(c);
  for (std::size_t k = 0; k < strides.size(); ++k) {
    Coordinate part;
    part.value = w_.write([&](ScalarBuilder& b) {
                     Scalar n{&b, whole.id, DType::i64};
                     if (k > 0) n = n % b.integer(DType::i64, strides[k - 1]);
                     return strides[k] == 1 && k > 0 ? n : n / b.integer(DType::i64, strides[k]);
                   }).id;
    out.push_back(part);
  }
  return out;
}

Coordinates Engine::reshape(const Coordinates& coordinates, const std::vector<std::int64_t>& from,
                            const std::vector<std::int64_t>& to) {
  // Groups of dimensions with equal products on both sides; a group of one on each side passes its coordinate on.
  Coordinates out(to.size());
  std::size_t i = 0, j = 0;
  while (i < from.size() || j < to.size()) {
    std::size_t i0 = i, j0 = j;
    std::int64_t a = 1, b = 1;
    auto take = [](const std::vector<std::int64_t>& side, std::size_t& at, std::int64_t& product) {
      product *= side[at++];
    };
    if (i < from.size()) take(from, i, a);
    if (j < to.size()) take(to, j, b);
    while (a != b || (i < from.size() && from[i] == 1) || (j < to.size() && to[j] == 1)) {
      if (j < to.size() && (b < a || (a == b && to[j] == 1)))
        take(to, j, b);
      else if (i < from.size())
        take(from, i, a);
      else if (j < to.size())
        take(to, j, b);
      else
        break;
    }
    std::vector<std::int64_t> to_sizes(to.begin() + static_cast<std::ptrdiff_t>(j0),
                                       to.begin() + static_cast<std::ptrdiff_t>(j));
    std::vector<std::size_t> sources, targets;
    for (std::size_t k = i0; k < i; ++k)
      if (from[k] != 1) sources.push_back(k);
    for (std::size_t k = j0; k < j; ++k)
      if (to[k] != 1) targets.push_back(k);
    if (sources.size() == 1 && targets.size() == 1) {
      out[targets[0]] = coordinates[sources[0]];
      continue;
    }
    if (targets.empty()) continue;
    std::vector<std::pair<std::int64_t, Coordinate>> terms;
    std::int64_t stride = 1;
    for (std::size_t k = sources.size(); k-- > 0;) {
      terms.emplace_back(stride, coordinates[sources[k]]);
      stride *= from[sources[k]];
    }
    std::vector<std::int64_t> extents;
    for (std::size_t t : targets) extents.push_back(to[t]);
    Coordinates parts = split(w_.linear(terms, 0), row_major_strides(extents), extents);
    for (std::size_t t = 0; t < targets.size(); ++t) out[targets[t]] = parts[t];
  }
  return out;
}

Coordinates Engine::domain_of(const IndexedForm& form, const Coordinates& coordinates) {
  if (form.result.empty()) return coordinates;
  Coordinates domain(form.domain.size());
  for (std::size_t d = 0; d < form.result.size(); ++d) {
    const IndexMap& map = form.result[d];
    std::vector<std::size_t> variables;
    for (std::size_t v = 0; v < form.domain.size(); ++v)
      if (map.coefficients[v] != 0) variables.push_back(v);
    std::sort(variables.begin(), variables.end(),
              [&](std::size_t a, std::size_t b) { return map.coefficients[a] > map.coefficients[b]; });
    Coordinate c = coordinates[d];
    if (map.offset != 0) {
      std::pair<std::int64_t, Coordinate> term{1, c};
      c = w_.linear(std::span(&term, 1), -map.offset);
    }
    if (variables.size() == 1 && map.coefficients[variables[0]] == 1) {
      domain[variables[0]] = c;
    } else if (!variables.empty()) {
      std::vector<std::int64_t> strides, extents;
      for (std::size_t v : variables) strides.push_back(map.coefficients[v]), extents.push_back(form.domain[v]);
      Coordinates parts = split(c, strides, extents);
      for (std::size_t k = 0; k < variables.size(); ++k) domain[variables[k]] = parts[k];
    }
  }
  return domain;
}

}  // namespace gradc
