// Mistakes of a user, gathered where several can be told at once.
#pragma once

#include <vector>

#include "ir/diagnostic.h"

namespace gradc {

// Thrown where a name stands for something whose own mistake has been reported; caught, never shown.
struct Poisoned {};

// Gathers the mistakes of parts that don't need one another.
class Mistakes {
 public:
  template <class F>
  void watch(const F& part) {
    try {
      part();
    } catch (const UserError& error) {
      all_.insert(all_.end(), error.diagnostics().begin(), error.diagnostics().end());
    } catch (const Poisoned&) {
      poisoned_ = true;
    }
  }
  // All of them in one UserError; Poisoned where there was nothing else; nothing where all went well.
  void rethrow() {
    if (!all_.empty()) throw UserError(std::move(all_));
    if (poisoned_) throw Poisoned{};
  }

 private:
  std::vector<Diagnostic> all_;
  bool poisoned_ = false;
};

}  // namespace gradc
