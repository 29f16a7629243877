// The graph IR: values in SSA form, nodes, regions, functions, modules.
//
// A region owns its nodes in an order in which every operand is defined before it is used, and reads nothing but its
// own parameters and nodes: it is closed. Passes copy into a new region (Builder, Cloner) or edit in place; the
// verifier (ir/verify.h) says what must hold.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ir/attribute.h"
#include "ir/location.h"
#include "ir/type.h"

namespace gradc {

struct Op;
class Node;
class Region;

struct Value {
  Type type;
  std::string name;          // a hint for text and diagnostics; may be empty or repeated
  Node* node = nullptr;      // its producer; null for a region's parameter
  Region* region = nullptr;  // where it is defined
  int index = 0;             // which result, or which parameter
};

class Node {
 public:
  const Op* op = nullptr;
  std::vector<Value*> operands;
  Attributes attributes;
  std::vector<std::unique_ptr<Region>> regions;
  std::vector<std::unique_ptr<Value>> results;
  Locations locations;
  Region* parent = nullptr;

  Value* result(std::size_t i = 0) const { return results[i].get(); }
};

class Region {
 public:
  std::vector<std::unique_ptr<Value>> parameters;
  std::vector<std::unique_ptr<Node>> nodes;
  std::vector<Value*> results;
  Node* owner = nullptr;  // null for a function's body

  Value* add_parameter(Type type, std::string name);
};

// What a function's parameter or result is to the caller.
enum class Role : std::uint8_t {
  data,    // a caller's array: an input, an output
  state,   // an entry of the state block, by name; a result of this role is the new content of that entry
  scalar,  // a number of the call, with a default (learning rate and the like)
};
std::string_view name_of(Role role);

struct Parameter {
  std::string name;
  Role role = Role::data;
  double preset = 0;                  // scalar: the default
  std::int64_t lower = 0, upper = 0;  // integer data: declared range [lower, upper); equal: none
  Location location;
};

struct FunctionResult {
  std::string name;
  Role role = Role::data;
};

// Parameters and results of `body` stand beside `parameters` and `results`, entry by entry.
// A state result may share its buffer with the state parameter of its name.
class Function {
 public:
  std::string name;
  std::vector<Parameter> parameters;
  std::vector<FunctionResult> results;
  Region body;

  Value* add_parameter(Parameter parameter, Type type);
  void add_result(FunctionResult result, Value* value);
  Value* parameter(std::string_view name) const;  // null where there is none
};

class Module {
 public:
  std::string name;
  std::vector<std::unique_ptr<Function>> functions;

  Function& add_function(std::string name);
  Function* function(std::string_view name) const;  // null where there is none
};

// Maps values of one region to values of another.
using ValueMap = std::unordered_map<const Value*, Value*>;

class Term;

// Appends nodes to a region: checks operands, fills attribute defaults, infers types.
// A mistake is a UserError at the builder's locations: "matmul: inner dimensions differ: f32[N,784] and f32[10,784]".
class Builder {
 public:
  explicit Builder(Region& region) : region_(&region) {}

  Region& region() const { return *region_; }
  Locations locations;  // given to every node made

  // Elementwise ops broadcast their operands to one shape by NumPy's rule, with explicit `broadcast` nodes. Values of
  // outer regions that `regions` read become operands and parameters at the end (close_regions).
  std::vector<Value*> make(std::string_view op, std::vector<Value*> operands, Attributes attributes = {});
  std::vector<Value*> make(const Op& op, std::vector<Value*> operands, Attributes attributes = {},
                           std::vector<std::unique_ptr<Region>> regions = {});
  Value* one(std::string_view op, std::vector<Value*> operands, Attributes attributes = {});

  Value* constant(Tensor value);
  Value* constant(DType dtype, double value);         // a scalar
  Value* full(const Type& type, double value);        // broadcast scalar
  Value* broadcast_to(Value* x, const Shape& shape);  // NumPy's rule; x itself where it fits already
  // Copies a node of another region, operands mapped through `map`, which receives its results.
  Node* clone(const Node& node, ValueMap& map);

  Term term(Value* value);

 private:
  Region* region_;
};

// A value with its builder, so that derivatives and composites read as algebra. A null term is a symbolic zero.
class Term {
 public:
  Term() = default;
  Term(Builder& builder, Value* value) : builder_(&builder), value_(value) {}

  explicit operator bool() const { return value_ != nullptr; }
  Value* value() const { return value_; }
  Builder& builder() const { return *builder_; }
  const Type& type() const { return value_->type; }
  const Shape& shape() const { return value_->type.shape; }
  DType dtype() const { return value_->type.dtype; }
  std::size_t rank() const { return value_->type.rank(); }
  Term like(double number) const;  // a scalar constant of this dtype

 private:
  Builder* builder_ = nullptr;
  Value* value_ = nullptr;
};

// Any op with one result: apply("reduce_sum", {x}, {{"axes", IntList{0}}}).
Term apply(std::string_view op, std::vector<Term> operands, Attributes attributes = {});
std::vector<Term> apply_all(std::string_view op, std::vector<Term> operands, Attributes attributes = {});

Term operator+(Term a, Term b);
Term operator-(Term a, Term b);
Term operator*(Term a, Term b);
Term operator/(Term a, Term b);
Term operator-(Term a);
Term operator+(Term a, double b);
Term operator-(Term a, double b);
Term operator-(double a, Term b);
Term operator*(Term a, double b);
Term operator*(double a, Term b);
Term operator/(Term a, double b);
Term operator/(double a, Term b);
Term add(Term a, Term b);  // either may be a symbolic zero
Term select(Term condition, Term yes, Term no);
Term cast(Term x, DType to);
Term broadcast(Term x, const Shape& shape);                          // NumPy's rule
Term broadcast_in(Term x, const Shape& shape, const IntList& dims);  // operand dim i is result dim dims[i]
Term reduce_sum(Term x, const IntList& axes, bool keep = false);
Term reduce_max(Term x, const IntList& axes, bool keep = false);
Term reshape(Term x, const Shape& shape);
Term transpose(Term x, const IntList& permutation);

// Deep copies, fresh pointers.
void clone_region(const Region& from, Region& to, ValueMap& map);
std::unique_ptr<Function> clone_function(const Function& function);
std::unique_ptr<Module> clone_module(const Module& module);

// Visits nodes in order, into regions.
void walk(const Region& region, const std::function<void(const Node&)>& visit);
// Replaces uses in the region, its results and its nested regions.
void replace_uses(Region& region, const ValueMap& map);
// Number of uses of each value (operands and results, nested regions included).
std::unordered_map<const Value*, int> count_uses(const Region& region);
// Values of outer regions that a node's regions read; none in a well-formed graph.
std::vector<Value*> captured_values(const Node& node);
// Closes the regions of a node to be: a captured constant is copied into each region, every other captured value
// becomes one more operand, and one more parameter of each region.
void close_regions(std::vector<std::unique_ptr<Region>>& regions, std::vector<Value*>& operands);

}  // namespace gradc
