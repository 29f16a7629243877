// The op registry: an op is one entry, in ir/ops/<family>.cpp, and everything else about it follows from the entry.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ir/diagnostic.h"
#include "ir/graph.h"
#include "ir/indexed.h"

namespace gradc {

// How derivative and lowering follow. See "Kinds" in ir/README.md.
enum class Kind : std::uint8_t {
  elementwise,  // `body` on equal shapes; `derivative` is linear in its tangent and serves both modes
  linear,       // `indexed`; linear in each set of `linear_in`; `transpose` for each operand
  composite,    // `compose`, other ops; own `vjp` or `jvp` where the derived one would be unsound
  general,      // `indexed` or `irregular`; explicit `vjp` and `jvp`
};
std::string_view name_of(Kind kind);

// Ops that are no indexed form; lowering has one emitter for each.
enum class Irregular : std::uint8_t {
  none,
  reshape,      // the same elements in row-major order: a view
  gather,       // indirect read, index clamped
  scatter_add,  // indirect add, index outside dropped
  constant,     // a literal
  pseudo,       // gradient, tangent: expanded by the `grad` pass, before lowering
  region,       // fusion, scan, while, cond
};

struct Call;

struct OperandSpec {
  std::string name;
  std::string doc;
  bool variadic = false;                       // last operand only
  std::optional<DType> dtype = {};             // of a plain number given for it; none: that of the values beside it
  std::function<Dim(const Call&)> limit = {};  // labels: integers of [0, limit), which a run checks in its data
};

struct AttributeSpec {
  std::string name;
  AttributeKind kind;
  std::string doc;
  std::optional<Attribute> preset;  // none: must be given
};

// An op applied: operand types and attributes, defaults filled in.
struct Call {
  const Op& op;
  std::vector<Type> operands;
  const Attributes& attributes;
  const std::vector<std::unique_ptr<Region>>* regions = nullptr;

  // Throws a message that Builder turns into a UserError: "<op>: <message>".
  [[noreturn]] void fail(const std::string& message) const;
  const Type& operand(std::size_t i) const { return operands[i]; }
};
struct CallError {
  std::string message;
};

// Differentiates inside regions, for the rules of ops that have them; compiler/autodiff implements it. Null terms are
// symbolic zeros. Everything is appended to the builder's region.
class RegionCalculus {
 public:
  virtual ~RegionCalculus() = default;
  // The region's nodes on `arguments`; composites without derivatives of their own are written out. The results.
  virtual std::vector<Term> write(Builder& builder, const Region& region, std::span<const Term> arguments) const = 0;
  // The reverse sweep over what the builder's region holds: cotangents of `outputs` in, those of `wrt` out.
  virtual std::vector<Term> pull_back(Builder& builder, std::span<const Term> outputs, std::span<const Term> cotangents,
                                      std::span<const Term> wrt) const = 0;
  // The forward sweep: tangents of `wrt` in, those of `outputs` out.
  virtual std::vector<Term> push_forward(Builder& builder, std::span<const Term> outputs, std::span<const Term> wrt,
                                         std::span<const Term> tangents) const = 0;
  // Which results of a region a derivative reaches from the parameters marked.
  virtual std::vector<bool> reached(const Region& region, const std::vector<bool>& from) const = 0;
};

// What a derivative rule may use: the node's operands and results as terms, and a builder that appends after them.
struct Derivation {
  Builder& builder;
  const Call& call;
  std::vector<Term> operands;
  std::vector<Term> results;
  std::vector<bool> wanted = {};            // reverse: operands whose cotangent is asked for; empty: all
  const RegionCalculus* regions = nullptr;  // for ops with regions

  Term x(std::size_t i = 0) const { return operands[i]; }
  Term y(std::size_t i = 0) const { return results[i]; }
};

// Inputs on which tests run an op. Floats are drawn uniformly from [low, high], integers from [low, high).
struct Sample {
  std::vector<Type> operands;
  Attributes attributes;
  double low = -2;
  double high = 2;
  bool differentiable = true;  // false where finite differences do not apply (integers, kinks)
  std::function<std::vector<std::unique_ptr<Region>>()> regions = {};  // fresh ones, for ops that have them
};

struct Op {
  std::string name;
  std::string doc;  // one or two sentences, a formula, the source
  Kind kind = Kind::general;
  std::vector<OperandSpec> operands;
  std::vector<AttributeSpec> attributes;
  std::vector<std::string> results = {"result"};  // names; variadic results are named by `infer`'s count

  // Shape rule. Elementwise ops have a default: equal operands, result of the same type.
  std::function<std::vector<Type>(const Call&)> infer;

  std::function<Scalar(ScalarBuilder&, const Call&, std::span<const Scalar>)> body;        // elementwise
  std::function<Term(const Derivation&, std::size_t operand, Term tangent)> derivative;    // elementwise
  std::function<IndexedForm(const Call&)> indexed;                                         // linear, general
  std::vector<std::vector<std::size_t>> linear_in;                                         // linear
  std::function<Term(const Derivation&, std::size_t operand, Term cotangent)> transpose;   // linear
  std::function<std::vector<Term>(Builder&, const Call&, std::span<const Term>)> compose;  // composite
  // Cotangents of the results in (null: zero), cotangents of the operands out (null: zero).
  std::function<std::vector<Term>(const Derivation&, std::span<const Term>)> vjp;
  // Tangents of the operands in (null: zero), tangents of the results out.
  std::function<std::vector<Term>(const Derivation&, std::span<const Term>)> jvp;
  // Direct evaluation, for irregular ops.
  std::function<std::vector<Tensor>(const Call&, std::span<const Tensor>)> evaluate;
  Irregular irregular = Irregular::none;
  // How often the regions run at most; none: no bound. Absent: once.
  std::function<std::optional<Dim>(const Call&)> rounds;

  bool constant_gradient = false;  // derivative is zero everywhere it exists (floor, comparisons, argmax)
  std::string no_derivative;       // not empty: why there is none, and what to do
  bool expensive = false;          // not recomputed by default (products, convolutions)
  bool internal = false;           // made by passes and derivatives; not in specs or the C++ API
  std::string spelling;            // operator in expressions: "+", "**", "@"; "" for none
  std::vector<Sample> samples;

  std::string family;  // filled by the registry: file name under ir/ops

  bool variadic() const { return !operands.empty() && operands.back().variadic; }
  bool has_regions() const { return irregular == Irregular::region; }
  const AttributeSpec* attribute(std::string_view name) const;
};

// All ops, sorted by name. Filled once from ir/ops/families.def; constant after that.
class Registry {
 public:
  static const Registry& get();
  const Op* find(std::string_view name) const;
  const std::vector<const Op*>& all() const { return sorted_; }
  std::vector<std::string> names(bool with_internal = false) const;

  void add(Op op);  // during construction, by the families

 private:
  Registry();
  std::string family_;
  std::vector<std::unique_ptr<Op>> ops_;
  std::vector<const Op*> sorted_;
};

// Result types; the one place that fills defaults and checks operand count, attribute names and kinds.
std::vector<Type> infer_types(const Op& op, const std::vector<Value*>& operands, const Attributes& attributes,
                              const std::vector<std::unique_ptr<Region>>& regions);
Attributes with_defaults(const Op& op, const Attributes& attributes);  // throws CallError
Call call_of(const Node& node);
// The indexed form of any regular node, elementwise ops included. The types must be static.
IndexedForm indexed_form(const Node& node);
// How often the node's regions run at most, by its entry; 1 where it is no loop, none where nothing bounds it.
std::optional<Dim> most_rounds(const Node& node);
// The scalar body of an elementwise node.
ScalarBody scalar_body(const Node& node);

// ---- pieces of entries ----

using Types = std::vector<Type>;
// Axis `axis` of a tensor of `rank` dimensions, -1 being the last; CallError where it is outside.
std::int64_t normal_axis(const Call& call, std::int64_t axis, std::size_t rank);
IntList normal_axes(const Call& call, const IntList& axes, std::size_t rank);  // sorted, unique; empty: all
// Elementwise type rules: which dtypes are taken, and the result's.
enum class Accepts : std::uint8_t { floats, numbers, integers, booleans, bits /* integers and bool */, all };
std::function<Types(const Call&)> same_type(Accepts accepts);
std::function<Types(const Call&)> comparison(Accepts accepts);  // result bool

}  // namespace gradc
