// Loads the state that eval and predict work on.
#include "compiler/driver/run_arguments.h"

namespace gradc::driver {

runtime::Block state_from(const runtime::Provide& provide, const runtime::StateTable& table,
                          const std::string& weights) {
  runtime::Block state = make_state(table);
  runtime::Runner(provide("init", 1), nullptr).run({}, {}, state.data());
  if (!weights.empty())
    runtime::load_weights(runtime::SafeTensors::read(weights), table, state.data(), runtime::Match::strict);
  return state;
}

}  // namespace gradc::driver
