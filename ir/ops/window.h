// Images, windows that slide over them, and the index maps of both: what convolution and pooling share.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "ir/ops/entry.h"

namespace gradc {

// Which dimension of an image is what: [N, C, spatial…], or [N, spatial…, C] with channels last.
struct ImageLayout {
  std::size_t spatial = 0;  // how many spatial dimensions
  bool channels_last = false;

  std::size_t rank() const { return spatial + 2; }
  std::size_t channel() const { return channels_last ? spatial + 1 : 1; }
  std::size_t space(std::size_t i) const { return channels_last ? i + 1 : i + 2; }
};
// The layout of an image operand; CallError where it has no spatial dimension.
ImageLayout image_layout(const Call& call, const Type& image);

// A window at output position s covers input positions s * stride - low + k * dilation for k below size.
struct Window {
  IntList size, stride, low, high, dilation;

  std::string str() const;  // "3x3"
  std::int64_t reach(std::size_t i) const { return (size[i] - 1) * dilation[i] + 1; }
  // How many positions fit an image; CallError where none does. `what` names the window: "kernel", "window".
  Shape positions(const Call& call, const Type& image, const std::string& what) const;
  // Whether some window of `positions` leaves an image of extents `image`.
  bool leaves(const std::vector<std::int64_t>& image, const std::vector<std::int64_t>& positions) const;
};

// A result's extents in order, spatial dims from `space`.
Shape image_shape(const ImageLayout& layout, const Dim& batch, const Dim& channels, const Shape& space);
Shape space_of(const ImageLayout& layout, const Shape& image);

// Names the variables of a form while its maps are written.
class FormVariables {
 public:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);  // contributes nothing to a map

  std::size_t domain(std::int64_t extent);  // all of these first
  std::size_t reduction(std::int64_t extent);
  std::vector<std::size_t> domains(const std::vector<std::int64_t>& extents);
  std::vector<std::size_t> reductions(const std::vector<std::int64_t>& extents);

  // Σ coefficient * variable + offset, once all variables are named.
  IndexMap map(std::initializer_list<std::pair<std::size_t, std::int64_t>> parts, std::int64_t offset = 0,
               std::int64_t divisor = 1) const;

  IndexedForm form() const;  // with domain and reduction set

 private:
  std::vector<std::int64_t> domain_, reduction_;
};

// Maps of a window over an image. Forward: image position of window element k at output position s. Backward: output
// position at which window element k covers image position h, where there is one.
IndexMap covered(const FormVariables& variables, const Window& window, std::size_t i, std::size_t s, std::size_t k);
IndexMap covering(const FormVariables& variables, const Window& window, std::size_t i, std::size_t h, std::size_t k);

// Attributes that every windowed op has.
AttributeSpec window_list(const std::string& name, const std::string& doc);
AttributeSpec channels_last_attribute();

}  // namespace gradc
