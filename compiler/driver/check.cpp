// gradc check: validates a spec; on request compares its gradients with finite differences, or writes it out resolved.
#include <cmath>
#include <iomanip>
#include <iostream>

#include "compiler/api/model_compiler.h"
#include "compiler/autodiff/autodiff.h"
#include "compiler/driver/command.h"
#include "compiler/driver/help.h"
#include "compiler/passes/pass.h"
#include "ir/interpret.h"
#include "ir/op.h"

namespace gradc::driver {

namespace {

struct Arguments {
  SpecArguments spec;
  bool gradients = false, resolved = false;
  std::int64_t batch = 2, probes = 3, seed = 0;
};

// splitmix64: the draws of the probes.
struct Draw {
  std::uint64_t state;
  double uniform() {
    std::uint64_t z = (state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
  }
};

// f32 is checked in f64: the differences of f32 would drown in rounding.
void widen(Region& region) {
  auto wider = [](Type& type) {
    if (type.dtype == DType::f32) type.dtype = DType::f64;
  };
  for (const auto& parameter : region.parameters) wider(parameter->type);
  for (const auto& node : region.nodes) {
    for (const auto& result : node->results) wider(result->type);
    for (const auto& [name, value] : Attributes(node->attributes)) {
      if (const DType* dtype = std::get_if<DType>(&value); dtype && *dtype == DType::f32)
        node->attributes.set(name, DType::f64);
      const Literal* literal = std::get_if<Literal>(&value);
      if (!literal || (*literal)->type().dtype != DType::f32) continue;
      auto wide = std::make_shared<Tensor>(Type{DType::f64, (*literal)->type().shape});
      for (std::int64_t i = 0; i < wide->elements(); ++i) wide->set(i, (*literal)->get(i));
      node->attributes.set(name, Literal(wide));
    }
    for (const auto& inner : node->regions) widen(*inner);
  }
}

// Random inputs of the declared ranges; state as `init` draws fan-ins: small uniform numbers.
std::vector<Tensor> draw_arguments(const Function& function, Draw& draw) {
  std::vector<Tensor> arguments;
  for (std::size_t i = 0; i < function.parameters.size(); ++i) {
    const Parameter& parameter = function.parameters[i];
    Tensor tensor(function.body.parameters[i]->type);
    for (std::int64_t k = 0; k < tensor.elements(); ++k) {
      if (parameter.role == Role::scalar)
        tensor.set(k, parameter.preset);
      else if (is_float(tensor.type().dtype))
        tensor.set(k, draw.uniform() - 0.5);
      else if (parameter.lower != parameter.upper)
        tensor.set_integer(
            k, parameter.lower +
                   static_cast<std::int64_t>(draw.uniform() * static_cast<double>(parameter.upper - parameter.lower)));
    }
    arguments.push_back(std::move(tensor));
  }
  return arguments;
}

double loss_at(const Function& function, std::vector<Tensor> arguments, std::size_t which, std::int64_t element,
               double delta) {
  arguments[which].set(element, arguments[which].get(element) + delta);
  return interpret(function, arguments)[0].get(0);
}

struct Probe {
  std::string name;
  double worst = 0;  // |difference| / max(1e-3, |gradient|)
};

bool is_parameter(const ModelGraph& model, const Parameter& parameter) {
  const StateEntry* entry = parameter.role == Role::state ? model.state.find(parameter.name) : nullptr;
  return entry && entry->kind == StateEntry::Kind::parameter;
}

std::vector<Probe> compare(const ModelGraph& model, const ProgramInfo& program, const Arguments& given) {
  const std::string names[] = {program.name};
  std::unique_ptr<Module> module = programs_of(model, names);
  Function& function = *module->functions.back();
  std::size_t loss = 0;
  while (function.results[loss].name != program.loss) ++loss;
  function.results = {function.results[loss]};
  function.body.results = {function.body.results[loss]};
  eliminate_dead_code(function, {});
  specialize(*module, batch_binding(model, given.batch), {});
  widen(module->functions.back()->body);
  differentiate(*module, {});  // gradients inside the objective
  std::unique_ptr<Function> forward = clone_function(*module->functions.back());
  Function& both = *module->functions.back();
  std::vector<Value*> wrt;
  std::vector<std::size_t> which;
  for (std::size_t i = 0; i < both.parameters.size(); ++i)
    if (is_parameter(model, both.parameters[i]) && is_float(both.body.parameters[i]->type.dtype)) {
      wrt.push_back(both.body.parameters[i].get());
      which.push_back(i);
    }
  std::vector<Value*> gradients = reverse(both.body, both.body.results[0], nullptr, wrt);
  for (std::size_t i = 0; i < gradients.size(); ++i)
    both.add_result({"gradient of " + both.parameters[which[i]].name}, gradients[i]);
  Draw draw{static_cast<std::uint64_t>(given.seed)};
  const std::vector<Tensor> arguments = draw_arguments(*forward, draw);
  const std::vector<Tensor> values = interpret(both, arguments);
  std::vector<Probe> probes;
  for (std::size_t i = 0; i < which.size(); ++i) {
    const Tensor& gradient = values[1 + i];
    Probe probe{both.parameters[which[i]].name};
    for (std::int64_t k = 0; k < given.probes && gradient.elements(); ++k) {
      const std::int64_t element = static_cast<std::int64_t>(draw.uniform() * static_cast<double>(gradient.elements()));
      constexpr double kStep = 1e-5;
      const double difference = (loss_at(*forward, arguments, which[i], element, kStep) -
                                 loss_at(*forward, arguments, which[i], element, -kStep)) /
                                (2 * kStep);
      const double exact = gradient.get(element);
      probe.worst = std::max(probe.worst, std::abs(difference - exact) / std::max(1e-3, std::abs(exact)));
    }
    probes.push_back(probe);
  }
  return probes;
}

// What has no derivative, or does not fit once sizes are known, is an error of the spec too: every program is
// specialised to a batch and differentiated.
void check_programs(const ModelGraph& model, const Arguments& given) {
  std::int64_t batch = given.batch;
  for (const ProgramInfo& program : model.programs) batch = std::max(batch, program.batch);
  auto module = clone_module(*model.module);
  for (const auto& function : module->functions)
    for (const auto& parameter : function->body.parameters)
      for (const Dim& dim : parameter->type.shape)
        if (!dim.is_static() && dim.symbol != model.batch_symbol) return;
  specialize(*module, batch_binding(model, batch), {});
  differentiate(*module, {});
}

int check_gradients(const ModelGraph& model, const Arguments& given) {
  constexpr double kTolerance = 1e-4;  // central differences of step 1e-5 in f64; kinks within a step show as more
  bool good = true;
  for (const ProgramInfo& program : model.programs) {
    if (!program.trains) continue;
    for (const Probe& probe : compare(model, program, given)) {
      const bool fits = probe.worst <= kTolerance;
      good = good && fits;
      std::cout << program.name << "\t" << probe.name << "\trelative error " << std::setprecision(2) << probe.worst
                << (fits ? "" : "\tDIFFERS") << "\n";
    }
  }
  return good ? kDone : kUserMistake;
}

}  // namespace

void add_check(CLI::App& app, Session& session) {
  auto given = std::make_shared<Arguments>();
  CLI::App* command =
      app.add_subcommand("check", "validates a spec, and reports all mistakes that it can find at once");
  given->spec.add_to(*command);
  command->add_flag("--gradients", given->gradients,
                    "compares the gradients with finite differences in f64, by the interpreter");
  command->add_flag("--resolved", given->resolved, "prints the spec with every default and block written out");
  command->add_option("--batch", given->batch, "examples for --gradients")
      ->check(integer(1, 1 << 20))
      ->capture_default_str();
  command->add_option("--probes", given->probes, "elements of each parameter for --gradients")
      ->check(integer(1, 1 << 20))
      ->capture_default_str();
  command->add_option("--seed", given->seed, "of the values for --gradients")
      ->check(integer(std::numeric_limits<std::int64_t>::min()))
      ->capture_default_str();
  show_examples(*command, {"gradc check spiral.json",
                           "gradc check spiral.json --gradients           derivatives against finite differences",
                           "gradc check spiral.json --resolved            every default and block written out"});
  command->callback([given, &session] {
    session.action = [given, &session]() -> int {
      std::unique_ptr<ModelGraph> model = given->spec.load(session);
      if (!model) return kUserMistake;
      if (given->resolved) std::cout << model->resolved << "\n";
      if (given->gradients) return check_gradients(*model, *given);
      check_programs(*model, *given);
      if (!given->resolved && !session.quiet) std::cerr << model->name << ": no mistakes found\n";
      return kDone;
    };
  });
}

}  // namespace gradc::driver
