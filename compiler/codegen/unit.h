// One LLVM module under construction, and what all kernels in it share: types, tables, register tiles.
#pragma once

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ir/kernel.h"

namespace gradc::codegen {

using Builder = llvm::IRBuilder<>;

// Fields of the frame that an entry makes of its arguments and every kernel reads. `pieces`: that it cuts a
// kernel with enough work into. `trips`: indices of the entry's loops.
enum class FrameField : unsigned { inputs, outputs, state, arena, workers, scalars, pieces, trips };

class Unit {
 public:
  Unit(llvm::LLVMContext& context, const std::string& name, const Target& target);

  llvm::LLVMContext& context() { return context_; }
  llvm::Module& module() { return *module_; }
  std::unique_ptr<llvm::Module> take() { return std::move(module_); }
  const Target& target() const { return target_; }

  llvm::Type* value_type(DType type);   // bool is i1
  llvm::Type* stored_type(DType type);  // bool is i8
  llvm::Type* vector_of(llvm::Type* element, int lanes);
  llvm::PointerType* pointer() { return llvm::PointerType::getUnqual(context_); }
  llvm::IntegerType* i64() { return llvm::Type::getInt64Ty(context_); }
  llvm::IntegerType* i32() { return llvm::Type::getInt32Ty(context_); }
  llvm::StructType* frame() { return frame_; }
  llvm::StructType* frame_with(unsigned trips);  // as an entry makes it
  // void(frame*, i64 begin, i64 end, i64 worker)
  llvm::FunctionType* kernel_type();

  // A function with the attributes of the target.
  llvm::Function* function(llvm::FunctionType* type, llvm::GlobalValue::LinkageTypes linkage, const std::string& name);
  // x * y + sum, of floats as the target's fma.
  llvm::Value* multiply_add(Builder& b, llvm::Value* x, llvm::Value* y, llvm::Value* sum) const;
  llvm::Constant* bytes(const std::byte* data, std::size_t size, const std::string& name);
  llvm::Constant* table(const KernelBuffer& buffer);
  llvm::Constant* exp2_sixteenths();  // the table, in memory
  // The function of a tile's shape, made at its first use (tile.cpp).
  llvm::Function* tile(const Tile& tile);

 private:
  llvm::LLVMContext& context_;
  std::unique_ptr<llvm::Module> module_;
  Target target_;
  llvm::StructType* frame_;
  std::map<const KernelBuffer*, llvm::Constant*> tables_;
  llvm::Constant* exp2_sixteenths_ = nullptr;
  std::map<std::string, llvm::Function*> tiles_;
};

// The kernel as a function of kernel_type() in the unit (kernel_emitter.cpp).
llvm::Function* emit_kernel(Unit& unit, const KernelProgram& program, const Kernel& kernel,
                            llvm::GlobalValue::LinkageTypes linkage);

// The same function where another unit has its body.
llvm::Function* declare_kernel(Unit& unit, const KernelProgram& program, const Kernel& kernel,
                               llvm::GlobalValue::LinkageTypes linkage);

// Of the function of a tile's shape.
std::string tile_name(const Tile& tile);

// The entry of a program over its kernels' functions, and the serial or parallel launch (entry.cpp). `watched`: it
// tells its context, a runtime::WatchedContext, of every launch and copy.
void emit_entry(Unit& unit, const std::string& symbol, const KernelProgram& program,
                const std::vector<llvm::Function*>& kernels, bool watched);

}  // namespace gradc::codegen
