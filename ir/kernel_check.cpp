// Watches a run of a kernel program for what only a run shows: reads of memory that holds nothing, or what another
// buffer has left there, and parallel rounds that touch one another's memory.
//
// Each byte of the arena, the outputs, the state and the worker's space remembers which buffer and which round wrote it
// last, and which rounds of the launch at hand have read it.
#include <map>
#include <set>

#include "ir/kernel.h"
#include "ir/kernel_watch.h"

namespace gradc {
namespace {

constexpr std::size_t kMaxSentences = 20;

struct Cell {
  int writer = -1;  // buffer, -1: nothing
  int write_launch = -1;
  std::int64_t write_round = 0;
  int read_launch = -1;
  std::int64_t read_round = 0;
  bool read_by_several = false;  // rounds of read_launch
};

class Checker : public KernelWatch {
 public:
  explicit Checker(const KernelProgram& program) : program_(program) {}

  void statement(const Statement& statement) override {
    ++launch_;
    round_ = 0;
    switch (statement.kind) {
      case Statement::Kind::launch:
        where_ = "kernel `" + program_.kernels[static_cast<std::size_t>(statement.kernel)].name + "`";
        return;
      case Statement::Kind::copy:
        where_ = "copy";
        return;
      case Statement::Kind::repeat:
        where_ = "for";
        return;
      case Statement::Kind::repeat_while:
        where_ = "while";
        return;
      case Statement::Kind::choose:
        where_ = "if";
        return;
    }
  }

  // What another round has left in the worker's space is nothing to rely on.
  void round(std::int64_t round) override {
    round_ = round;
    cells_[{Space::worker, 0}].clear();
  }

  void read(int buffer, std::int64_t element) override {
    const KernelBuffer& b = at(buffer);
    if (!tracked(b)) return;
    for_each_byte(b, element, [&](Cell& cell) {
      if (cell.writer < 0 && b.space != Space::state) {
        say(buffer, "element " + std::to_string(element) + " of `" + b.name + "` is read before anything writes it");
      } else if (cell.writer >= 0 && cell.writer != buffer) {
        say(buffer, "element " + std::to_string(element) + " of `" + b.name + "` is read after `" +
                        at(cell.writer).name + "` overwrote it");
      } else if (cell.write_launch == launch_ && cell.write_round != round_) {
        race(buffer, element, "reads", "writes", cell.write_round);
      }
      cell.read_by_several = cell.read_launch == launch_ && (cell.read_by_several || cell.read_round != round_);
      cell.read_launch = launch_;
      cell.read_round = round_;
    });
  }

  void write(int buffer, std::int64_t element) override {
    const KernelBuffer& b = at(buffer);
    if (!tracked(b)) return;
    for_each_byte(b, element, [&](Cell& cell) {
      if (cell.write_launch == launch_ && cell.write_round != round_)
        race(buffer, element, "writes", "writes", cell.write_round);
      if (cell.read_launch == launch_ && (cell.read_by_several || cell.read_round != round_))
        race(buffer, element, "writes", "reads", cell.read_round);
      cell.writer = buffer;
      cell.write_launch = launch_;
      cell.write_round = round_;
    });
  }

  std::vector<std::string> take() { return std::move(sentences_); }

 private:
  const KernelBuffer& at(int buffer) const { return program_.buffers[static_cast<std::size_t>(buffer)]; }

  static bool tracked(const KernelBuffer& b) {
    return b.space == Space::arena || b.space == Space::output || b.space == Space::state || b.space == Space::worker;
  }

  template <class F>
  void for_each_byte(const KernelBuffer& b, std::int64_t element, F f) {
    auto& cells = cells_[{b.space, b.space == Space::output ? b.slot : 0}];
    std::int64_t size = byte_size(b.dtype), first = (b.space == Space::output ? 0 : b.offset) + element * size;
    if (cells.size() < static_cast<std::size_t>(first + size)) cells.resize(static_cast<std::size_t>(first + size) * 2);
    for (std::int64_t i = 0; i < size; ++i) f(cells[static_cast<std::size_t>(first + i)]);
  }

  void race(int buffer, std::int64_t element, const char* does, const char* other, std::int64_t round) {
    say(buffer, "round " + std::to_string(round_) + " " + does + " element " + std::to_string(element) + " of `" +
                    at(buffer).name + "`, which round " + std::to_string(round) + " " + other);
  }

  // One sentence for each kernel and buffer.
  void say(int buffer, const std::string& what) {
    if (sentences_.size() < kMaxSentences && said_.insert({where_, buffer}).second)
      sentences_.push_back(where_ + ": " + what);
  }

  const KernelProgram& program_;
  std::map<std::pair<Space, int>, std::vector<Cell>> cells_;  // by byte of a block
  int launch_ = -1;
  std::int64_t round_ = 0;
  std::string where_;
  std::set<std::pair<std::string, int>> said_;
  std::vector<std::string> sentences_;
};

}  // namespace

std::vector<std::string> check_run(const KernelProgram& program, const KernelCall& call) {
  Checker checker(program);
  interpret(program, call, &checker);
  return checker.take();
}

}  // namespace gradc
