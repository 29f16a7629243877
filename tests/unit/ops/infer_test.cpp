// Shape rules with symbols, and what wrong use is told.
#include "ir/diagnostic.h"
#include "tests/support/catch.h"
#include "tests/unit/ops/sample_function.h"

using namespace gradc;

namespace {

std::string inferred(const std::string& name, const std::vector<std::string>& operands, Attributes attributes = {}) {
  Region region;
  Builder builder(region);
  std::vector<Value*> values;
  for (const std::string& operand : operands) {
    std::optional<Type> type = parse_type(operand);
    REQUIRE(type);
    values.push_back(region.add_parameter(*type, ""));
  }
  try {
    return builder.one(name, values, std::move(attributes))->type.str();
  } catch (const UserError& error) {
    return error.diagnostics().at(0).message;
  }
}

Attribute ints(IntList list) { return list; }
Attribute integer(std::int64_t value) { return value; }

}  // namespace

TEST_CASE("shape rules work on symbols") {
  CHECK(inferred("add", {"f32[N,10]", "f32[10]"}) == "f32[N,10]");
  CHECK(inferred("sum", {"f32[N,10]"}, {{"axis", ints({0})}}) == "f32[10]");
  CHECK(inferred("mean", {"f32[N,10]"}, {{"axis", ints({-1})}, {"keep", true}}) == "f32[N,1]");
  CHECK(inferred("argmax", {"f32[N,10]"}, {{"axis", integer(1)}}) == "i32[N]");
  CHECK(inferred("transpose", {"f32[N,2,3]"}, {{"permutation", ints({2, 0, 1})}}) == "f32[3,N,2]");
  CHECK(inferred("slice", {"f32[N,7]"}, {{"start", ints({0, 1})}, {"limit", ints({INT64_MAX, -1})}}) == "f32[N,5]");
  CHECK(inferred("slice", {"f32[N,7]"}, {{"start", ints({1, 0})}, {"limit", ints({3, 7})}}) == "f32[2,7]");
  CHECK(inferred("slice", {"f32[N]"}, {{"start", ints({-5})}, {"limit", ints({INT64_MAX})}, {"stride", ints({2})}}) ==
        "f32[3]");
  CHECK(inferred("pad", {"f32[N,7]"}, {{"low", ints({0, 1})}}) == "f32[N,8]");
  CHECK(inferred("concatenate", {"f32[N,3]", "f32[N,4]"}, {{"axis", integer(1)}}) == "f32[N,7]");
  CHECK(inferred("sort", {"f32[N,10]"}) == "f32[N,10]");
  CHECK(inferred("cumulative_sum", {"f32[N,10]"}) == "f32[N,10]");
  CHECK(inferred("dynamic_slice", {"f32[N,10]", "i32[]"}, {{"axis", ints({1})}, {"size", ints({3})}}) == "f32[N,3]");
  CHECK(inferred("upsample_nearest", {"f32[N,3,4,5]"}, {{"scale", ints({2})}}) == "f32[N,3,8,10]");
  CHECK(inferred("concatenate", {"f32[N,3]", "f32[2*N,3]"}, {{"axis", integer(0)}}) == "f32[3*N,3]");
  CHECK(inferred("gather", {"f32[65,16]", "i32[N,T]"}) == "f32[N,T,16]");
  CHECK(inferred("one_hot", {"i32[N]"}, {{"classes", integer(10)}}) == "f32[N,10]");
  CHECK(inferred("matmul", {"f32[N,784]", "f32[784,10]"}) == "f32[N,10]");
  CHECK(inferred("convolution", {"f32[N,1,28,28]", "f32[20,1,5,5]"}, {{"low", ints({2, 2})}, {"high", ints({2, 2})}}) ==
        "f32[N,20,28,28]");
  CHECK(inferred("max_pool", {"f32[N,20,28,28]"}, {{"window", ints({2, 2})}}) == "f32[N,20,14,14]");
  CHECK(inferred("softmax_cross_entropy", {"f32[N,10]", "i32[N]"}) == "f32[N]");
  CHECK(inferred("maxout", {"f32[N,12]"}, {{"pieces", integer(3)}}) == "f32[N,4]");
  CHECK(inferred("squeeze", {"f32[N,1,3]"}) == "f32[N,3]");
  CHECK(inferred("expand_dims", {"f32[N,3]"}, {{"axis", ints({1})}}) == "f32[N,1,3]");
  CHECK(inferred("stack", {"f32[N,3]", "f32[N,3]"}, {{"axis", integer(-1)}}) == "f32[N,3,2]");
  CHECK(inferred("tile", {"f32[N,3]"}, {{"repeats", ints({2, 1})}}) == "f32[2*N,3]");
  CHECK(inferred("einsum", {"f32[N,T,8]", "f32[N,T,8]"}, {{"equation", std::string("nti,nsi->nts")}}) == "f32[N,T,T]");
  CHECK(inferred("broadcast", {"f32[10]"}, {{"shape", Shape{Dim(1, "N"), 10}}, {"dims", ints({1})}}) == "f32[N,10]");
}

TEST_CASE("wrong use is told with both values") {
  CHECK(inferred("matmul", {"f32[N,784]", "f32[10,784]"}) ==
        "matmul: inner dimensions differ: f32[N,784] and f32[10,784]");
  CHECK(inferred("dot", {"f32[2,3]", "f32[4,5]"}, {{"contract_a", ints({1})}, {"contract_b", ints({0})}}) ==
        "dot: contracted dimensions differ: f32[2,3] has 3 in dimension 1, f32[4,5] has 4 in dimension 0");
  CHECK(inferred("convolution", {"f32[N,50,5,5]", "f32[8,50,7,7]"}) ==
        "convolution: kernel 7x7 is larger than its padded input 5x5");
  CHECK(inferred("convolution", {"f32[N,3,8,8]", "f32[8,1,3,3]"}) ==
        "convolution: the image f32[N,3,8,8] has 3 channels, the weight f32[8,1,3,3] takes 1");
  CHECK(inferred("convolution", {"f32[N,3,T]", "f32[8,3,3]"}) ==
        "convolution: spatial dimension T of f32[N,3,T] must be bound to a size first");
  CHECK(inferred("convolution", {"f32[N,3,8]", "f32[8,3,3]"}, {{"stride", ints({0})}}) ==
        "convolution: stride must be at least 1, got 0");
  CHECK(inferred("max_pool", {"f32[N,20,3,3]"}, {{"window", ints({4, 4})}}) ==
        "max_pool: window 4x4 is larger than its padded input 3x3");
  CHECK(inferred("max_pool_gradient", {"f32[1,1,1]", "i32[1,1,1]"},
                 {{"window", ints({1})}, {"low", ints({1})}, {"shape", Shape{1, 1, Dim(INT64_MAX)}}}) ==
        "max_pool_gradient: the padded size of spatial dimension 9223372036854775807 of f32[1,1,9223372036854775807] "
        "overflows");
  CHECK(inferred("pad", {"f32[1]"}, {{"interior", ints({INT64_MAX})}}) ==
        "pad: the padded size of dimension 0 of f32[1] overflows");
  CHECK(inferred("sum", {"f32[N,10]"}, {{"axis", ints({2})}}) == "sum: axis 2 is outside a value of 2 dimensions");
  CHECK(inferred("sum", {"bool[3]"}) == "sum: `x` must be a number, got bool[3]; cast it first");
  CHECK(inferred("slice", {"f32[5]"}, {{"limit", ints({6})}}) == "slice: limit 6 is outside dimension 0 of f32[5]");
  CHECK(inferred("slice", {"f32[N]"}, {{"start", ints({1})}}) ==
        "slice: can't cut dimension 0 of f32[N], whose size is not known before it is bound");
  CHECK(inferred("concatenate", {"f32[2,3]", "f32[3,3]"}, {{"axis", integer(1)}}) ==
        "concatenate: shapes differ outside axis 1: f32[2,3] and f32[3,3]");
  CHECK(inferred("concatenate", {"f32[N]", "f32[T]"}) ==
        "concatenate: can't add the sizes N and T before they are bound");
  CHECK(inferred("clip", {"f32[3]"}, {{"low", 2.0}, {"high", 1.0}}) ==
        "clip: low must not be above high, got 2.0 and 1.0");
  CHECK(inferred("softmax_cross_entropy", {"f32[N,10]", "f32[N]"}) ==
        "softmax_cross_entropy: `label` must be an integer class, got f32[N]");
  CHECK(inferred("softmax_cross_entropy", {"f32[N,10]", "i32[10]"}) ==
        "softmax_cross_entropy: `label` must be one class for each row of `logits`, got i32[10] for f32[N,10]");
  CHECK(inferred("softmax_cross_entropy_soft", {"f32[N,10]", "f32[N]"}) ==
        "softmax_cross_entropy_soft: `label` must be a probability for each of `logits`, got f32[N] for f32[N,10]");
  CHECK(inferred("squared_error", {"f32[N,1]", "f32[N]"}) ==
        "squared_error: `target` must have the shape of `prediction`, got f32[N] and f32[N,1]");
  CHECK(inferred("squared_error", {"f32[N]", "i32[N]"}) ==
        "squared_error: `target` must have the dtype of `prediction`, got i32[N] and f32[N]; cast one of them");
  CHECK(inferred("standardize_groups", {"f32[N,10,4]"}, {{"groups", integer(3)}}) ==
        "standardize_groups: can't cut the 10 channels of f32[N,10,4] into 3 groups");
  CHECK(inferred("norm", {"f32[3]"}, {{"order", 3.0}}) == "norm: `order` must be 1, 2 or inf, got 3.0");
  CHECK(inferred("squeeze", {"f32[3,1]"}, {{"axis", ints({0})}}) == "squeeze: dimension 0 of f32[3,1] is not 1");
  CHECK(inferred("pad_reflect", {"f32[3]"}, {{"low", ints({3})}}) ==
        "pad_reflect: padding 3 must be below the size of dimension 0 of f32[3]");
  CHECK(inferred("einsum", {"f32[2,3]", "f32[4,5]"}, {{"equation", std::string("ij,jk")}}) ==
        "einsum: the letter j is both 3 and 4");
  CHECK(inferred("einsum", {"f32[2,2]"}, {{"equation", std::string("ij->ii")}}) ==
        "einsum: the letter i stands twice in the result `ii`");
  CHECK(inferred("einsum", {"f32[2,3]"}, {{"equation", std::string("ii->i")}}) ==
        "einsum: the letter i is both 2 and 3");
  CHECK(inferred("einsum", {"f32[2]"}, {{"equation", std::string("i->j")}}) ==
        "einsum: the letter j of the result is in no operand");
  CHECK(inferred("gather", {"f32[3]", "f32[2]"}) == "gather: `index` must be an integer, got f32[2]");
  CHECK(inferred("broadcast", {"f32[3]"}, {{"shape", Shape{2, 4}}, {"dims", ints({1})}}) ==
        "broadcast: can't stretch dimension 0 of f32[3] to 4");
  CHECK(inferred("split", {"f32[N,7]"}, {{"parts", integer(2)}, {"axis", integer(1)}}) ==
        "split: can't cut dimension 1 of f32[N,7] into 2 equal parts");
  CHECK(inferred("split", {"f32[7]"}, {{"sizes", ints({3, 3})}}) ==
        "split: `sizes` [3, 3] add up to 6, not to dimension 0 of f32[7]");
  CHECK(inferred("split", {"f32[7]"}) == "split: takes one of `parts` and `sizes`");
  CHECK(inferred("split", {"f32[N]"}, {{"parts", integer(2)}}) ==
        "split: dimension 0 of f32[N] must be bound to a size first");
  CHECK(inferred("dynamic_slice", {"f32[5]", "i32[]"}, {{"size", ints({6})}}) ==
        "dynamic_slice: can't take 6 elements of dimension 0 of f32[5]");
  CHECK(inferred("dynamic_slice", {"f32[5,3]", "i32[]"}, {{"axis", ints({0, 1})}, {"size", ints({1, 1})}}) ==
        "dynamic_slice: `start` must be a number for each of 2 dimensions in `axis`, got i32[]");
  CHECK(inferred("dynamic_update_slice", {"f32[5]", "f32[6]", "i32[]"}) ==
        "dynamic_update_slice: `update` must fit into `x`, and have its dtype and its other dimensions than those in "
        "`axis`, got f32[6] and f32[5]");
  CHECK(inferred("top_k", {"f32[N,3]"}, {{"k", integer(4)}}) ==
        "top_k: can't take the greatest 4 of dimension 1 of f32[N,3]");
  CHECK(inferred("sort", {"bool[3]"}) == "sort: `x` must be a number, got bool[3]; cast it first");
  CHECK(inferred("cumulative_sum", {"f32[N]"}) == "f32[N]");
  CHECK(inferred("sort", {"f32[N,2]"}, {{"axis", integer(0)}}) == "f32[N,2]");
  CHECK(inferred("scatter_add_along_axis", {"i32[2]", "f32[3]"}, {{"size", integer(3)}}) ==
        "scatter_add_along_axis: `index` must have the shape of `updates`, got i32[2] and f32[3]");
  CHECK(inferred("upsample_linear", {"f32[2,3,4,4]"}, {{"scale", ints({2, 2, 2})}}) ==
        "upsample_linear: `scale` must be one factor, or one for each of 2 spatial dimensions, got [2, 2, 2]");
  CHECK(inferred("mixup", {"f32[N,3]", "f32[3]"}) ==
        "mixup: `share` must be f32[N], a number for each example of `x`, got f32[3]");
}
