// One LLVM module under construction: types, attributes, constant data.
#include "compiler/codegen/unit.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/DerivedTypes.h>
#include <llvm/IR/Intrinsics.h>

namespace gradc::codegen {

Unit::Unit(llvm::LLVMContext& context, const std::string& name, const Target& target)
    : context_(context), module_(std::make_unique<llvm::Module>(name, context)), target_(target) {
  frame_ = frame_with(0);
}

llvm::Value* Unit::multiply_add(Builder& b, llvm::Value* x, llvm::Value* y, llvm::Value* sum) const {
  if (!x->getType()->isFPOrFPVectorTy()) return b.CreateAdd(b.CreateMul(x, y), sum);
  if (!target_.fma) return b.CreateFAdd(b.CreateFMul(x, y), sum);
  return b.CreateIntrinsic(llvm::Intrinsic::fma, {x->getType()}, {x, y, sum});
}

llvm::StructType* Unit::frame_with(unsigned trips) {
  std::vector<llvm::Type*> fields(static_cast<std::size_t>(FrameField::pieces), pointer());
  fields.push_back(i64());
  fields.push_back(llvm::ArrayType::get(i64(), trips));
  return llvm::StructType::get(context_, fields);
}

llvm::Type* Unit::value_type(DType type) {
  switch (type) {
    case DType::f32:
      return llvm::Type::getFloatTy(context_);
    case DType::f64:
      return llvm::Type::getDoubleTy(context_);
    case DType::i32:
    case DType::u32:
      return i32();
    case DType::i64:
      return i64();
    case DType::u8:
      return llvm::Type::getInt8Ty(context_);
    case DType::boolean:
      return llvm::Type::getInt1Ty(context_);
  }
  internal_error("codegen: unknown dtype");
}

llvm::Type* Unit::stored_type(DType type) {
  return type == DType::boolean ? llvm::Type::getInt8Ty(context_) : value_type(type);
}

llvm::Type* Unit::vector_of(llvm::Type* element, int lanes) {
  return lanes == 1 ? element : llvm::FixedVectorType::get(element, static_cast<unsigned>(lanes));
}

llvm::FunctionType* Unit::kernel_type() {
  return llvm::FunctionType::get(llvm::Type::getVoidTy(context_), {pointer(), i64(), i64(), i64()}, false);
}

llvm::Function* Unit::function(llvm::FunctionType* type, llvm::GlobalValue::LinkageTypes linkage,
                               const std::string& name) {
  llvm::Function* f = llvm::Function::Create(type, linkage, name, *module_);
  std::string bits = std::to_string(target_.vector_bytes * 8);
  f->addFnAttr(llvm::Attribute::NoUnwind);
  f->addFnAttr("target-cpu", target_.cpu);
  f->addFnAttr("prefer-vector-width", bits);
  f->addFnAttr("min-legal-vector-width", bits);
  f->addFnAttr("no-builtins");
  return f;
}

llvm::Constant* Unit::bytes(const std::byte* data, std::size_t size, const std::string& name) {
  llvm::StringRef raw(reinterpret_cast<const char*>(data), size);
  llvm::Constant* content = llvm::ConstantDataArray::getString(context_, raw, false);
  auto* global =
      new llvm::GlobalVariable(*module_, content->getType(), true, llvm::GlobalValue::PrivateLinkage, content, name);
  global->setAlignment(llvm::Align(64));
  return global;
}

llvm::Constant* Unit::table(const KernelBuffer& buffer) {
  llvm::Constant*& known = tables_[&buffer];
  if (!known) {
    ensure(buffer.data.bytes() == buffer.bytes(), "codegen: a table's data has the size of its buffer");
    known = bytes(buffer.data.data(), static_cast<std::size_t>(buffer.data.bytes()), "table." + buffer.name);
  }
  return known;
}

llvm::Constant* Unit::exp2_sixteenths() {
  if (!exp2_sixteenths_)
    exp2_sixteenths_ =
        bytes(reinterpret_cast<const std::byte*>(kExp2Sixteenths.data()), sizeof kExp2Sixteenths, "exp2_sixteenths");
  return exp2_sixteenths_;
}

}  // namespace gradc::codegen
