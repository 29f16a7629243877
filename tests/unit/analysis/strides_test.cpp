// The parts of a reduction over strides hold each term of the whole once, and no other.
#include "compiler/analysis/strides.h"

#include <map>
#include <set>

#include "tests/support/catch.h"

using namespace gradc;

namespace {

// The input gradient of a convolution in one dimension: Σ k  dy[(h + padding - dilation k) / stride] w[k].
IndexedForm gradient(std::int64_t size, std::int64_t kernel, std::int64_t stride, std::int64_t padding,
                     std::int64_t dilation) {
  IndexedForm form;
  form.domain = {size};
  form.reduction = {kernel};
  form.combiner = Combiner::sum;
  IndexMap index = variable(2, 0, 1, padding);
  index.coefficients[1] = -dilation;
  index.divisor = stride;
  form.accesses = {{0, {index}, true, 0}, {1, {variable(2, 1)}, false, 0}};
  return form;
}

using Terms = std::set<std::pair<std::int64_t, std::int64_t>>;  // indices of dy and of w

std::map<std::int64_t, Terms> by_definition(std::int64_t size, std::int64_t kernel, std::int64_t stride,
                                            std::int64_t padding, std::int64_t dilation) {
  std::map<std::int64_t, Terms> terms;
  for (std::int64_t h = 0; h < size; ++h) {
    terms[h];
    for (std::int64_t k = 0; k < kernel; ++k)
      if (const std::int64_t n = h + padding - dilation * k; n % stride == 0) terms[h].insert({n / stride, k});
  }
  return terms;
}

std::int64_t at(const IndexMap& map, std::int64_t h, std::int64_t k) {
  return map.coefficients[0] * h + map.coefficients[1] * k + map.offset;
}

}  // namespace

TEST_CASE("a form without a division is one part, itself") {
  const std::vector<StridedPart> parts = split_strides(gradient(5, 3, 1, 1, 1));
  REQUIRE(parts.size() == 1);
  CHECK_FALSE(parts[0].empty);
  CHECK(parts[0].form.result.empty());
  CHECK(parts[0].origin == std::vector<Stretch>(2));
}

TEST_CASE("parts of strides hold each term once") {
  for (std::int64_t size : {1, 2, 5, 12})
    for (std::int64_t kernel : {1, 2, 3, 5})
      for (std::int64_t stride : {2, 3, 4, 6})
        for (std::int64_t padding : {0, 1, 2})
          for (std::int64_t dilation : {1, 2, 3, 4}) {
            INFO("size " << size << " kernel " << kernel << " stride " << stride << " padding " << padding
                         << " dilation " << dilation);
            std::map<std::int64_t, Terms> found;
            for (const StridedPart& part : split_strides(gradient(size, kernel, stride, padding, dilation)))
              for (std::int64_t q = 0; q < part.form.domain[0]; ++q) {
                const std::int64_t h = at(part.form.result[0], q, 0);
                CHECK(h == part.origin[0].first + part.origin[0].step * q);
                CHECK(found.emplace(h, Terms()).second);
                for (std::int64_t j = 0; !part.empty && j < part.form.reduction[0]; ++j) {
                  const std::int64_t k = at(part.form.accesses[1].index[0], q, j);
                  CHECK(k == part.origin[1].first + part.origin[1].step * j);
                  CHECK(part.form.accesses[0].index[0].divisor == 1);
                  CHECK(found[h].insert({at(part.form.accesses[0].index[0], q, j), k}).second);
                }
              }
            CHECK(found == by_definition(size, kernel, stride, padding, dilation));
          }
}

TEST_CASE("a division that two operands share is one") {
  IndexedForm form = gradient(6, 3, 2, 1, 1);
  form.accesses[1] = form.accesses[0];
  for (const StridedPart& part : split_strides(form))
    for (const OperandAccess& access : part.form.accesses) CHECK(access.index[0].divisor == 1);
}
