// Groups nodes into `fusion` nodes, each of which becomes one kernel, or the few of one contraction.
//
// 1. Constants, and movements without arithmetic (broadcast, transpose, slice, …), are free: every group that reads one
//    has its own copy. A large transpose that is read more than once is made once. Reshapes of what is in memory stay
//    outside: they are views.
// 2. From the last node to the first, a node joins the group of its readers where all of them are in one group and its
//    kind allows it (may_join); otherwise it starts a group. A node that others read too joins where its elements are
//    those of the group's results and no reader outside leads back into the group; it becomes one more result. Else,
//    where it is cheap to compute from what is in memory anyway, each reader's group has its own copy of it.
//    Numbers that follow from the region's parameters alone are one group.
// 3. A contraction joins only a loop group whose results follow it element by element: the group is its epilogue.
//    A reduction joins the loop or reduce group that reads it at one point for every row.
// 4. Groups are written as fusions in an order that respects their operands. Loops and branches belong to no group; the
//    nodes of their regions are grouped in the same way.
//
//   %0 = dot(%x, %w) : f32[8,4]              %y = fusion(%x, %w, %b) {kind = "contract"} (%x, %w, %b) {
//   %1 = broadcast(%b) : f32[8,4]               %0 = dot(%x, %w)
//   %2 = add(%0, %1)                  →         %1 = broadcast(%b)
//   %y = relu(%2)                                %2 = add(%0, %1)
//                                               %y = relu(%2)
//                                               yield %y
//                                            }
#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "compiler/analysis/contraction.h"
#include "compiler/analysis/order.h"
#include "compiler/analysis/reachability.h"
#include "compiler/analysis/reduction.h"
#include "compiler/passes/pass.h"
#include "ir/op.h"

namespace gradc {

namespace {

constexpr std::size_t kMostNodes = 64;        // of a group: keeps kernels small enough to compile fast
constexpr std::int64_t kFewOperations = 4;    // of a body that is recomputed rather than kept
constexpr std::int64_t kManyElements = 4096;  // of a transpose that is made once for all its readers

enum class Sort : std::uint8_t { free, view, pointwise, reduction, contraction, scatter, control };

struct Facts {
  Sort sort = Sort::pointwise;
  IndexedForm form;             // regular nodes but elementwise ones; without its body
  ReductionPlan plan;           // reductions
  std::int64_t operations = 0;  // of one element
  std::int64_t elements = 0;    // of the first result
  bool apart = false;           // in a group of its own
};

struct Cluster {
  int number = 0;
  std::string kind = "loop";
  std::vector<const Node*> nodes;  // the last in the region first
};

std::int64_t count_operations(const std::vector<Instr>& code) {
  std::int64_t sum = 0;
  for (const Instr& i : code) {
    if (i.op == Opcode::argument || i.op == Opcode::constant || i.op == Opcode::index) continue;
    sum += i.op == Opcode::div || i.op == Opcode::sqrt || i.op == Opcode::rem ? 4 : 1;
    sum += count_operations(i.body);
  }
  return sum;
}

Facts facts_of(const Node& node, const Target& target) {
  Facts facts;
  facts.elements = node.results.empty() ? 0 : node.result()->type.elements();
  switch (node.op->irregular) {
    case Irregular::constant:
      facts.sort = Sort::free;
      return facts;
    case Irregular::reshape:
      facts.sort = node.op->internal ? Sort::control : Sort::view;  // a barrier is in no group
      return facts;
    case Irregular::scatter_add:
      facts.sort = Sort::scatter;
      return facts;
    case Irregular::gather:
      facts.operations = 1;
      return facts;
    case Irregular::region:
      facts.sort = Sort::control;
      return facts;
    default:
      break;
  }
  if (node.op->kind != Kind::elementwise && !node.op->indexed) {  // a composite, a gradient: left for their passes
    facts.sort = Sort::control;
    return facts;
  }
  if (node.op->kind == Kind::elementwise) {
    facts.operations = count_operations(scalar_body(node).code);
    facts.sort = facts.operations == 0 && node.operands.size() <= 1 ? Sort::free : Sort::pointwise;
    return facts;
  }
  facts.form = indexed_form(node);
  facts.operations = count_operations(facts.form.body.code);
  if (facts.form.reduction.empty()) {
    facts.sort = facts.operations == 0 && facts.form.result.empty() && facts.form.accesses.size() <= 1
                     ? Sort::free
                     : Sort::pointwise;
    facts.form.body = {};
    return facts;
  }
  std::vector<std::vector<std::int64_t>> shapes;
  for (const Value* operand : node.operands) shapes.push_back(sizes(operand->type.shape));
  DType dtype = node.result()->type.dtype;
  facts.sort = find_contraction(facts.form, shapes, dtype) ? Sort::contraction : Sort::reduction;
  facts.plan = plan_reduction(facts.form, shapes, dtype, target);
  facts.form.body = {};
  return facts;
}

// Whether every element goes to one place, and neighbours do not stay neighbours.
bool moves_across(const Facts& f) {
  if (f.form.accesses.size() != 1 || !f.form.result.empty() || !spans_operand(f.form, f.form.accesses[0])) return false;
  std::size_t last = f.form.domain.size();
  for (std::size_t v = 0; v < f.form.domain.size(); ++v)
    if (f.form.domain[v] != 1) last = v;
  if (last == f.form.domain.size()) return false;
  const std::vector<IndexMap>& index = f.form.accesses[0].index;
  for (std::size_t d = index.size(); d-- > 0;)
    for (std::size_t v = 0; v < f.form.domain.size(); ++v)
      if (index[d].coefficients[v] != 0 && f.form.domain[v] != 1) return v != last;
  return false;
}

std::vector<std::int64_t> kept(const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> out;
  for (std::int64_t e : shape)
    if (e != 1) out.push_back(e);
  return out;
}

class Fuser {
 public:
  Fuser(Region& region, const Options& options) : region_(region), groups_(region) {
    for (const auto& node : region.nodes) {
      facts_[node.get()] = facts_of(*node, options.target);
      for (const Value* operand : node->operands) readers_[operand].push_back(node.get());
    }
    for (const Value* result : region.results) results_.insert(result);
    for (const auto& node : region.nodes)
      if (follows_from_parameters(node.get())) numbers_.insert(node.get());
    for (const auto& node : region.nodes) {
      Facts& f = facts_.at(node.get());
      if (f.sort != Sort::free || f.elements < kManyElements || !moves_across(f) || !is_read_often(node.get()))
        continue;
      f.sort = Sort::pointwise;
      f.apart = true;
    }
  }

  bool run() {
    auto& nodes = region_.nodes;
    for (auto node = nodes.rbegin(); node != nodes.rend(); ++node) place(node->get());
    for (Cluster& cluster : clusters_) evict_views(cluster);
    auto group_of = [&](const Node* n) {
      return facts(n).sort == Sort::free && cluster_of(n) < 0 ? kCopied : cluster_of(n);
    };
    ensure(nodes_on_circles(region_, group_of).empty(), "fusions read each other in a circle");
    return write();
  }

 private:
  const Facts& facts(const Node* node) const { return facts_.at(node); }

  // By several nodes, or by a window, which comes back to every element.
  bool is_read_often(const Node* node) const {
    std::set<int> clusters;
    std::set<const Node*> direct;
    collect_readers(node, clusters, direct);
    return direct.size() > 1 || std::any_of(direct.begin(), direct.end(), [&](const Node* reader) {
             return facts(reader).sort == Sort::reduction && is_window(facts(reader));
           });
  }
  int cluster_of(const Node* node) const { return groups_.of(node); }  // -1: none
  bool is_in(const Cluster& c, const Node* node) const { return cluster_of(node) == c.number; }

  // Who reads a node's results: clusters, through free nodes; -1 stands for the function's results and views outside.
  void collect_readers(const Node* node, std::set<int>& clusters, std::set<const Node*>& direct) const {
    for (const auto& result : node->results) {
      if (results_.contains(result.get())) clusters.insert(-1);
      auto found = readers_.find(result.get());
      if (found == readers_.end()) continue;
      for (const Node* reader : found->second) {
        if (facts(reader).sort == Sort::free && cluster_of(reader) < 0) {
          collect_readers(reader, clusters, direct);
        } else {
          clusters.insert(cluster_of(reader));
          direct.insert(reader);
        }
      }
    }
  }

  void place(const Node* node) {
    const Facts& f = facts(node);
    if (f.sort == Sort::control) return;
    std::set<int> clusters;
    std::set<const Node*> direct;
    collect_readers(node, clusters, direct);
    if (f.sort == Sort::free) {
      // Copies serve the readers; only a result of the function needs a kernel of its own.
      bool needed = node->op->irregular != Irregular::constant &&
                    std::any_of(node->results.begin(), node->results.end(),
                                [&](const auto& r) { return results_.contains(r.get()) || read_in_memory(r.get()); });
      if (!needed) return;
      start(node);
      return;
    }
    if (f.sort != Sort::scatter && !f.apart)
      for (int c : clusters)
        if (c >= 0 && may_join(node, c, clusters, direct)) {
          join(node, c);
          return;
        }
    if (const int c = f.sort == Sort::reduction ? find_sibling(node, direct) : find_numbers(node, direct); c >= 0)
      join(node, c);
    else if (is_made_again(node, clusters, direct))
      facts_.at(node).sort = Sort::free;
    else
      start(node);
  }

  // A cluster that reduces the same elements in the same walk, as the two sums of a cross entropy; or -1.
  int find_sibling(const Node* node, const std::set<const Node*>& direct) const {
    const std::set<const Value*>& met = elements_under(node);
    for (std::size_t k = clusters_.size(); k-- > 0;) {
      const Cluster& c = clusters_[k];
      if (c.kind != "reduce" || c.nodes.size() >= kMostNodes) continue;
      const bool shared = std::any_of(c.nodes.begin(), c.nodes.end(), [&](const Node* n) {
        if (facts(n).sort != Sort::reduction) return false;
        const std::set<const Value*>& others = elements_under(n);
        return std::any_of(others.begin(), others.end(), [&](const Value* v) { return met.contains(v); });
      });
      // The search for circles walks the region: last.
      if (shared && reduction_may_join(c, node) && !groups_.closes_circle(node, direct, static_cast<int>(k)))
        return static_cast<int>(k);
    }
    return -1;
  }

  // The cluster of numbers that follow from the region's parameters alone, as a step's corrections of its moments, for
  // one more of them; or -1.
  int find_numbers(const Node* node, const std::set<const Node*>& direct) const {
    if (!is_number(node)) return -1;
    for (const Cluster& c : clusters_)
      if (c.kind == "loop" && c.nodes.size() < kMostNodes &&
          std::all_of(c.nodes.begin(), c.nodes.end(), [&](const Node* n) { return is_number(n); }) &&
          !groups_.closes_circle(node, direct, c.number))
        return c.number;
    return -1;
  }

  bool is_number(const Node* node) const { return numbers_.contains(node); }

  // For each node behind its operands'.
  bool follows_from_parameters(const Node* node) const {
    const Facts& f = facts(node);
    return (f.sort == Sort::pointwise || f.sort == Sort::free) && node->op->irregular != Irregular::gather &&
           node->result()->type.shape.empty() &&
           std::all_of(node->operands.begin(), node->operands.end(),
                       [&](const Value* v) { return !v->node || is_number(v->node); });
  }

  // What a reduction's first operand is computed from element by element, itself included.
  const std::set<const Value*>& elements_under(const Node* reduction) const {
    const auto [known, fresh] = elements_under_.try_emplace(reduction);
    std::set<const Value*>& met = known->second;
    if (!fresh) return met;
    const Value* operand = reduction->operands[static_cast<std::size_t>(facts(reduction).form.accesses[0].operand)];
    met.insert(operand);
    std::vector<const Value*> open{operand};
    while (!open.empty()) {
      const Node* node = open.back()->node;
      open.pop_back();
      if (!node || !is_one_to_one(node)) continue;
      for (const Value* v : node->operands)
        if (v->type.shape == operand->type.shape && met.insert(v).second) open.push_back(v);
    }
    return met;
  }

  // By a view, or by a loop or branch.
  bool read_in_memory(const Value* value) const {
    auto found = readers_.find(value);
    return found != readers_.end() && std::any_of(found->second.begin(), found->second.end(), [&](const Node* reader) {
             return facts(reader).sort == Sort::view || facts(reader).sort == Sort::control;
           });
  }

  void start(const Node* node) {
    Cluster cluster{.number = static_cast<int>(clusters_.size())};
    const Facts& f = facts(node);
    if (f.sort == Sort::reduction) cluster.kind = is_window(f) ? "window" : "reduce";
    if (f.sort == Sort::contraction) cluster.kind = "contract";
    if (f.sort == Sort::scatter) cluster.kind = "scatter";
    cluster.nodes.push_back(node);
    groups_.put(node, cluster.number);
    clusters_.push_back(std::move(cluster));
  }

  static bool is_window(const Facts& f) {
    return !f.plan.rows && std::any_of(f.form.accesses.begin(), f.form.accesses.end(),
                                       [&](const OperandAccess& a) { return !spans_operand(f.form, a); });
  }

  void join(const Node* node, int cluster) {
    Cluster& c = clusters_[static_cast<std::size_t>(cluster)];
    const Facts& f = facts(node);
    if (f.sort == Sort::contraction) c.kind = "contract";
    if (f.sort == Sort::reduction && c.kind == "loop") c.kind = is_window(f) ? "window" : "reduce";
    c.nodes.push_back(node);
    groups_.put(node, cluster);
  }

  bool may_join(const Node* node, int cluster, const std::set<int>& clusters,
                const std::set<const Node*>& direct) const {
    const Cluster& c = clusters_[static_cast<std::size_t>(cluster)];
    const Facts& f = facts(node);
    if (c.nodes.size() >= kMostNodes || c.kind == "scatter" || f.elements == 0) return false;
    bool alone = clusters.size() == 1;
    if (!alone && groups_.closes_circle(node, direct, cluster)) return false;
    if (!alone && c.kind == "reduce" && f.sort == Sort::pointwise && !fits_rows(c, node)) return false;
    if (!alone && c.kind != "reduce" && f.sort != Sort::reduction && !same_elements(c, f.elements)) return false;
    switch (f.sort) {
      case Sort::pointwise:
        return pointwise_may_join(c, node, alone, direct);
      case Sort::view:
        return alone && view_may_join(c, direct);
      case Sort::contraction:
        return c.kind == "loop" && follows(c, node);
      case Sort::reduction:
        return reduction_may_join(c, node);
      default:
        return false;
    }
  }

  bool pointwise_may_join(const Cluster& c, const Node* node, bool alone, const std::set<const Node*>& direct) const {
    const Facts& f = facts(node);
    if (!alone && c.kind != "loop" && c.kind != "contract" && c.kind != "reduce") return false;
    std::int64_t most = 0;
    for (const Node* reader : direct) {
      if (!is_in(c, reader)) continue;
      const Facts& r = facts(reader);
      if (r.sort == Sort::reduction && is_window(r)) return false;
      if (r.sort == Sort::contraction && !alone) return false;
      if (f.operations > 0 && selects_among_many(r)) return false;
      std::int64_t walked = r.elements;
      for (std::int64_t e : r.form.reduction) walked *= e;
      if (r.sort == Sort::contraction) walked = f.elements;
      if (r.sort == Sort::scatter) return false;
      most = std::max(most, walked);
    }
    // What is computed once and read often, as a row's statistic, is kept unless it is cheap.
    if (most >= 4 * f.elements && f.elements > 1 && f.operations > kFewOperations && !follows_rows(c, node))
      return false;
    return !feeds_contraction(c, direct) || (alone && !follows_contraction(node));
  }

  // Whether the node is a statistic of rows, as a reciprocal deviation: its reduction joins as well, and the kernel
  // computes it once a row.
  bool follows_rows(const Cluster& c, const Node* node) const {
    return is_one_to_one(node) && std::any_of(node->operands.begin(), node->operands.end(), [&](const Value* operand) {
             const Node* producer = operand->node;
             if (!producer || operand->type.elements() != facts(node).elements) return false;
             if (facts(producer).sort != Sort::reduction)
               return facts(producer).sort == Sort::pointwise && follows_rows(c, producer);
             return facts(producer).plan.rows && reduction_may_join(c, producer);
           });
  }

  // Whether every reader computes the node's elements itself: they are cheap, come from one operand of their number
  // that is in memory for others anyway, and no one kernel holds the readers, as a batch norm's differences from the
  // mean are read by the sum of their squares and by what needs that sum.
  bool is_made_again(const Node* node, const std::set<int>& clusters, const std::set<const Node*>& direct) const {
    const Facts& f = facts(node);
    if (f.sort != Sort::pointwise || f.apart || node->op->irregular != Irregular::none || !is_one_to_one(node) ||
        clusters.size() < 2 || clusters.contains(-1) || operations_made_again(node) > kFewOperations)
      return false;
    bool reduced = false;
    for (const Node* reader : direct) {
      const Facts& r = facts(reader);
      if (r.sort == Sort::reduction ? is_window(r) : r.sort != Sort::pointwise || !is_one_to_one(reader)) return false;
      const std::string& kind = clusters_[static_cast<std::size_t>(cluster_of(reader))].kind;
      if (kind != "loop" && kind != "reduce") return false;
      reduced |= kind == "reduce";
    }
    const Value* whole = nullptr;
    for (const Value* operand : node->operands) {
      if (4 * elements_in_memory(operand) <= f.elements) continue;
      if (whole && whole != operand) return false;
      whole = operand;
    }
    return reduced && whole && byte_size(whole->type.dtype) <= byte_size(node->result()->type.dtype) &&
           (!whole->node || facts(whole->node).sort != Sort::free) &&
           (!whole->node || results_.contains(whole) || readers_.at(whole).size() > 1);
  }

  // Of an element: the node's own, and those of the readers that are made again after it.
  std::int64_t operations_made_again(const Node* node) const {
    std::int64_t most = 0;
    if (auto found = readers_.find(node->result()); found != readers_.end())
      for (const Node* reader : found->second)
        if (facts(reader).sort == Sort::free) most = std::max(most, operations_made_again(reader));
    return facts(node).operations + most;
  }

  // Of what a value is read from: a broadcast's operand, nothing for a constant.
  std::int64_t elements_in_memory(const Value* value) const {
    while (value->node && facts(value->node).sort == Sort::free) {
      if (value->node->operands.empty()) return 0;
      value = value->node->operands[0];
    }
    return value->type.elements();
  }

  // Where every element of a concatenation would compute an element of each operand.
  static bool selects_among_many(const Facts& f) {
    return f.sort == Sort::pointwise && std::count_if(f.form.accesses.begin(), f.form.accesses.end(),
                                                      [](const OperandAccess& a) { return a.guarded; }) > 1;
  }

  // Whether the node may be the epilogue of a contraction, which is better than the prologue of the next.
  bool follows_contraction(const Node* node) const {
    auto [known, fresh] = follows_contraction_.emplace(node, false);
    if (!fresh || !is_one_to_one(node)) return known->second;
    known->second = std::any_of(node->operands.begin(), node->operands.end(), [&](const Value* operand) {
      if (!operand->node || operand->type.elements() != facts(node).elements) return false;
      return facts(operand->node).sort == Sort::contraction || follows_contraction(operand->node);
    });
    return known->second;
  }

  // Whether a reader leads, inside the cluster, to an operand of its contraction.
  bool feeds_contraction(const Cluster& c, std::set<const Node*> readers) const {
    if (c.kind != "contract") return false;
    std::vector<const Node*> open(readers.begin(), readers.end());
    while (!open.empty()) {
      const Node* reader = open.back();
      open.pop_back();
      if (!is_in(c, reader)) continue;
      if (facts(reader).sort == Sort::contraction) return true;
      std::set<const Node*> next;
      std::set<int> clusters;
      collect_readers(reader, clusters, next);
      for (const Node* n : next)
        if (readers.insert(n).second) open.push_back(n);
    }
    return false;
  }

  bool view_may_join(const Cluster& c, const std::set<const Node*>& direct) const {
    if (c.kind == "window" || c.kind == "reduce") return false;
    return std::none_of(direct.begin(), direct.end(), [&](const Node* reader) {
      return facts(reader).sort == Sort::contraction || facts(reader).sort == Sort::scatter ||
             reader->op->irregular == Irregular::gather;
    });
  }

  // Whether every result of a loop cluster has the node's elements, one for one.
  bool follows(const Cluster& c, const Node* node) const {
    std::set<const Node*> after{node};
    bool changed = true;
    while (changed) {
      changed = false;
      for (const Node* n : c.nodes) {
        if (after.contains(n) || facts(n).elements != facts(node).elements) continue;
        for (const Value* operand : n->operands)
          if (operand->node && after.contains(operand->node) && operand->type.elements() == facts(node).elements &&
              is_one_to_one(n))
            changed = after.insert(n).second || changed;
      }
    }
    return std::all_of(c.nodes.begin(), c.nodes.end(),
                       [&](const Node* n) { return after.contains(n) || !is_read_outside(c, n); });
  }

  bool is_one_to_one(const Node* node) const {
    const Facts& f = facts(node);
    if (f.sort == Sort::view) return true;
    if (node->op->irregular != Irregular::none || !f.form.reduction.empty() || !f.form.result.empty()) return false;
    return std::none_of(f.form.accesses.begin(), f.form.accesses.end(),
                        [](const OperandAccess& a) { return a.guarded; });
  }

  bool is_read_outside(const Cluster& c, const Node* node) const {
    std::set<int> clusters;
    std::set<const Node*> direct;
    collect_readers(node, clusters, direct);
    return std::any_of(clusters.begin(), clusters.end(),
                       [&](int k) { return k < 0 || &clusters_[static_cast<std::size_t>(k)] != &c; });
  }

  bool same_elements(const Cluster& c, std::int64_t elements) const {
    return std::all_of(c.nodes.begin(), c.nodes.end(),
                       [&](const Node* n) { return facts(n).elements == elements || !is_read_outside(c, n); });
  }

  // A reduction joins where everything read outside is one element a row, or one an element of its operand.
  bool reduction_may_join(const Cluster& c, const Node* node) const {
    const Facts& f = facts(node);
    if (c.kind == "contract" || f.plan.split >= 0) return false;
    const std::int64_t rows = f.elements;
    const OperandAccess& access = f.form.accesses[0];
    const Value* operand = node->operands[static_cast<std::size_t>(access.operand)];
    for (const Node* n : c.nodes) {
      const Facts& other = facts(n);
      if (other.sort == Sort::reduction &&
          (other.plan.split >= 0 || other.plan.rows != f.plan.rows || kept(other.form.domain) != kept(f.form.domain)))
        return false;
      if (other.sort == Sort::view || other.sort == Sort::scatter || other.sort == Sort::contraction) return false;
      if (!is_read_outside(c, n) || other.elements == rows) continue;
      if (!spans_operand(f.form, access) || sizes(n->result()->type.shape) != sizes(operand->type.shape)) return false;
    }
    return true;
  }

  // Whether a value has one element for every row of the cluster's reductions, or the shape of what they reduce.
  bool fits_rows(const Cluster& c, const Node* node) const {
    return std::any_of(c.nodes.begin(), c.nodes.end(), [&](const Node* n) {
      const Facts& r = facts(n);
      if (r.sort != Sort::reduction || r.plan.split >= 0 || !spans_operand(r.form, r.form.accesses[0])) return false;
      const Value* operand = n->operands[static_cast<std::size_t>(r.form.accesses[0].operand)];
      return r.elements == facts(node).elements || operand->type.shape == node->result()->type.shape;
    });
  }

  // Reshapes at the rim of a cluster are views of what is in memory anyway.
  void evict_views(Cluster& c) {
    bool changed = true;
    while (changed) {
      changed = false;
      for (const Node* node : std::vector<const Node*>(c.nodes)) {
        if (facts(node).sort != Sort::view) continue;
        const Node* producer = node->operands[0]->node;
        bool first = !producer || (!is_in(c, producer) && facts(producer).sort != Sort::free);
        auto found = readers_.find(node->result());
        bool last =
            found == readers_.end() || std::none_of(found->second.begin(), found->second.end(), [&](const Node* r) {
              return is_in(c, r) || (facts(r).sort == Sort::free && cluster_of(r) < 0);
            });
        if (!first && !last) continue;
        std::erase(c.nodes, node);
        groups_.take_out(node);
        changed = true;
      }
    }
  }

  // ---- writing the fusions ----

  bool write() {
    old_ = std::move(region_.nodes);
    region_.nodes.clear();
    Builder builder(region_);
    bool changed = false;
    for (const auto& node : old_) changed |= emit(builder, node.get());
    for (Value*& result : region_.results)
      if (auto found = map_.find(result); found != map_.end()) result = found->second;
    return changed;
  }

  // Emits what the node's value needs, then its cluster, or the node itself where it is in none.
  bool emit(Builder& builder, const Node* node) {
    if (emitted_.contains(node)) return false;
    int k = cluster_of(node);
    if (k < 0) {
      if (facts(node).sort == Sort::free && !is_wanted(node)) return false;
      emitted_.insert(node);
      bool changed = emit_operands(builder, node);
      builder.clone(*node, map_);
      return changed;
    }
    Cluster& c = clusters_[static_cast<std::size_t>(k)];
    for (const Node* n : c.nodes) emitted_.insert(n);
    for (auto n = c.nodes.rbegin(); n != c.nodes.rend(); ++n) emit_operands(builder, *n);
    emit_cluster(builder, c);
    return true;
  }

  // A free node outside all clusters is written where something outside reads it: constants, and movements of views.
  bool is_wanted(const Node* node) const {
    if (is_large_constant(node)) return true;
    for (const auto& result : node->results) {
      if (results_.contains(result.get())) return true;
      auto found = readers_.find(result.get());
      if (found == readers_.end()) continue;
      for (const Node* reader : found->second)
        if (facts(reader).sort == Sort::control || (facts(reader).sort == Sort::view && cluster_of(reader) < 0))
          return true;
    }
    return false;
  }

  static bool is_large_constant(const Node* node) {
    return node->op->irregular == Irregular::constant && node->result()->type.elements() > 16;
  }

  bool emit_operands(Builder& builder, const Node* node) {
    bool changed = false;
    for (const Value* operand : node->operands) {
      if (!operand->node) continue;
      if (facts(operand->node).sort == Sort::free && !is_wanted(operand->node) && cluster_of(operand->node) < 0)
        changed |= emit_operands(builder, operand->node);
      else
        changed |= emit(builder, operand->node);
    }
    return changed;
  }

  void emit_cluster(Builder& builder, const Cluster& c) {
    auto region = std::make_unique<Region>();
    Builder inside(*region);
    ValueMap inner;
    std::vector<Value*> operands, outer_results;
    Locations locations;
    for (auto member = c.nodes.rbegin(); member != c.nodes.rend(); ++member) {
      const Node& node = **member;
      unite(locations, node.locations);
      bring_operands(inside, c, node, inner, operands);
      inside.clone(node, inner);
      for (const auto& result : node.results)
        if (is_result(c, result.get())) {
          outer_results.push_back(result.get());
          region->results.push_back(inner.at(result.get()));
        }
    }
    std::vector<std::unique_ptr<Region>> regions;
    regions.push_back(std::move(region));
    builder.locations = locations;
    std::vector<Value*> made =
        builder.make(*Registry::get().find("fusion"), operands, {{"kind", c.kind}}, std::move(regions));
    for (std::size_t i = 0; i < made.size(); ++i) {
      made[i]->name = outer_results[i]->name;
      map_[outer_results[i]] = made[i];
    }
  }

  // Makes a node's operands available in the region: as copies of free nodes, or as parameters.
  void bring_operands(Builder& inside, const Cluster& c, const Node& node, ValueMap& inner,
                      std::vector<Value*>& operands) {
    for (Value* operand : node.operands) {
      if (inner.contains(operand)) continue;
      bool member = operand->node && is_in(c, operand->node);
      ensure(!member, "a fusion's nodes are in no order");
      bool free = operand->node && facts(operand->node).sort == Sort::free && cluster_of(operand->node) < 0;
      if (free && !is_large_constant(operand->node)) {
        bring_operands(inside, c, *operand->node, inner, operands);
        inside.clone(*operand->node, inner);
        continue;
      }
      Value* outside = operand;
      if (auto found = map_.find(operand); found != map_.end()) outside = found->second;
      inner[operand] = inside.region().add_parameter(operand->type, operand->name);
      operands.push_back(outside);
    }
  }

  bool is_result(const Cluster& c, const Value* value) const {
    if (results_.contains(value)) return true;
    auto found = readers_.find(value);
    if (found == readers_.end()) return true;
    for (const Node* reader : found->second) {
      if (is_in(c, reader)) continue;
      if (facts(reader).sort != Sort::free || cluster_of(reader) >= 0 || is_wanted(reader)) return true;
      for (const auto& through : reader->results)
        if (is_result(c, through.get())) return true;
    }
    return false;
  }

  Region& region_;
  std::unordered_map<const Node*, Facts> facts_;
  std::unordered_map<const Value*, std::vector<const Node*>> readers_;
  std::set<const Value*> results_;
  std::set<const Node*> numbers_;  // results without a shape that follow from the region's parameters alone
  std::vector<Cluster> clusters_;
  NodeGroups groups_;  // the clusters by their numbers
  std::vector<std::unique_ptr<Node>> old_;
  mutable std::map<const Node*, bool> follows_contraction_;
  mutable std::map<const Node*, std::set<const Value*>> elements_under_;
  std::set<const Node*> emitted_;
  ValueMap map_;
};

}  // namespace

namespace {

bool is_fused(const Region& region) {
  return std::any_of(region.nodes.begin(), region.nodes.end(), [](const auto& n) { return n->op->name == "fusion"; });
}

// Loops and branches bound groups: what is in a region is grouped for itself, the innermost first.
bool fuse_region(Region& region, const Options& options) {
  if (is_fused(region)) return false;
  bool changed = false;
  for (const auto& node : region.nodes)
    for (const auto& inner : node->regions) changed |= fuse_region(*inner, options);
  return Fuser(region, options).run() || changed;
}

}  // namespace

bool fuse(Function& function, const Options& options) {
  return options.optimize > 0 && fuse_region(function.body, options);
}

}  // namespace gradc
