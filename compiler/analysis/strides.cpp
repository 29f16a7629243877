// Reductions over strides as reductions without gaps: see strides.h.
//
//   dx[h] = Σ k  dy[(h + p - k) / s] w[k]         with h = s q + r, k = k0 + s j, k0 = (r + p) mod s:
//   dx[s q + r] = Σ j  dy[q - j + (r + p - k0) / s] w[k0 + s j]
//
// Where steps of k are multiples of g = gcd(c, s), k = k0 + s/g j, and there is none for most r.
#include "compiler/analysis/strides.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "ir/diagnostic.h"

namespace gradc {

namespace {

// An index divided by a stride, over one domain and one reduced variable.
struct Division {
  IndexMap map;
  std::size_t domain, reduced;
};

std::optional<Division> find_division(const IndexedForm& form) {
  for (const OperandAccess& access : form.accesses)
    for (const IndexMap& map : access.index) {
      if (map.divisor == 1) continue;
      const std::size_t none = form.variables();
      Division division{map, none, none};
      for (std::size_t v = 0; v < form.variables(); ++v) {
        if (map.coefficients[v] == 0) continue;
        std::size_t& place = v < form.domain.size() ? division.domain : division.reduced;
        ensure(place == none, "a reduction divides an index of two variables of a kind");
        place = v;
      }
      ensure(division.domain != none && division.reduced != none && map.coefficients[division.domain] == 1,
             "a reduction divides an index that is no stride");
      return division;
    }
  return std::nullopt;
}

std::int64_t count_from(std::int64_t first, std::int64_t extent, std::int64_t step) {
  return first >= extent ? 0 : (extent - first + step - 1) / step;
}

// variable → first + step * variable
void stretch(StridedPart& part, std::size_t variable, Stretch by) {
  auto apply = [&](IndexMap& map) {
    map.offset += map.coefficients[variable] * by.first;
    map.coefficients[variable] *= by.step;
  };
  if (variable < part.form.domain.size())
    for (IndexMap& map : part.form.result) apply(map);
  for (OperandAccess& access : part.form.accesses)
    for (IndexMap& map : access.index) apply(map);
  Stretch& origin = part.origin[variable];
  origin = {origin.first + origin.step * by.first, origin.step * by.step};
}

StridedPart part_of(const StridedPart& whole, const Division& at, std::int64_t remainder) {
  StridedPart part = whole;
  IndexedForm& form = part.form;
  const std::int64_t stride = at.map.divisor, c = at.map.coefficients[at.reduced], step = stride / std::gcd(c, stride);
  std::int64_t first = 0;  // the least k that counts
  while (first < step && (remainder + c * first + at.map.offset) % stride != 0) ++first;
  std::int64_t& extent = form.domain[at.domain];
  std::int64_t& rounds = form.reduction[at.reduced - form.domain.size()];
  extent = count_from(remainder, extent, stride);
  rounds = first < step ? count_from(first, rounds, step) : 0;
  if (rounds == 0) {
    part.empty = true;
    rounds = 1;
  }
  stretch(part, at.domain, {remainder, stride});
  stretch(part, at.reduced, {first, step});
  for (std::size_t a = 0; a < form.accesses.size(); ++a)
    for (std::size_t d = 0; d < form.accesses[a].index.size(); ++d) {
      if (whole.form.accesses[a].index[d] != at.map) continue;
      IndexMap& divided = form.accesses[a].index[d];  // without remainder, unless the part is empty
      for (std::int64_t& coefficient : divided.coefficients) coefficient /= stride;
      divided.offset /= stride;
      divided.divisor = 1;
    }
  return part;
}

}  // namespace

std::vector<StridedPart> split_strides(const IndexedForm& form) {
  std::vector<StridedPart> parts{{form, std::vector<Stretch>(form.variables())}};
  if (form.reduction.empty() || !find_division(form)) return parts;
  if (form.result.empty()) parts[0].form.result = identity_maps(form.variables(), form.domain.size());
  while (const auto division = find_division(parts[0].form)) {
    std::vector<StridedPart> finer;
    for (const StridedPart& part : parts)
      for (std::int64_t r = 0; r < std::min(division->map.divisor, part.form.domain[division->domain]); ++r)
        finer.push_back(part_of(part, *division, r));
    parts = std::move(finer);
  }
  return parts;
}

}  // namespace gradc
