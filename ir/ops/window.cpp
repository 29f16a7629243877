// Images, windows that slide over them, and the index maps of both.
#include "ir/ops/window.h"

#include <algorithm>

namespace gradc {

ImageLayout image_layout(const Call& call, const Type& image) {
  if (image.rank() < 3)
    call.fail("wants an image, [N,C,spatial…] or with channels last [N,spatial…,C], got " + image.str());
  return {image.rank() - 2, call.attributes.boolean("channels_last")};
}

namespace {

std::string by(const IntList& sizes) {
  std::string text;
  for (std::int64_t size : sizes) text += (text.empty() ? "" : "x") + std::to_string(size);
  return text;
}

void check_least(const Call& call, const std::string& what, const IntList& list, std::int64_t least) {
  for (std::int64_t entry : list)
    if (entry < least || entry > 0x7fffffff)
      call.fail(what + " must be at least " + std::to_string(least) + ", got " + by(list));
}

}  // namespace

std::string Window::str() const { return by(size); }

Shape Window::positions(const Call& call, const Type& image, const std::string& what) const {
  ImageLayout layout = image_layout(call, image);
  check_least(call, what, size, 1);
  check_least(call, "stride", stride, 1);
  check_least(call, "dilation", dilation, 1);
  check_least(call, "padding", low, 0);
  check_least(call, "padding", high, 0);
  IntList padded;
  bool fits = true;
  for (std::size_t i = 0; i < layout.spatial; ++i) {
    const Dim& extent = image.shape[layout.space(i)];
    if (!extent.is_static())
      call.fail("spatial dimension " + extent.str() + " of " + image.str() + " must be bound to a size first");
    std::int64_t sum = 0;
    if (__builtin_add_overflow(extent.factor, low[i] + high[i], &sum))
      call.fail("the padded size of spatial dimension " + extent.str() + " of " + image.str() + " overflows");
    padded.push_back(sum);
    fits = fits && reach(i) <= padded[i];
  }
  if (!fits) {
    bool dilated = std::any_of(dilation.begin(), dilation.end(), [](std::int64_t d) { return d != 1; });
    call.fail(what + " " + str() + (dilated ? " with dilation " + by(dilation) : "") +
              " is larger than its padded input " + by(padded));
  }
  Shape result;
  for (std::size_t i = 0; i < layout.spatial; ++i) result.push_back(Dim((padded[i] - reach(i)) / stride[i] + 1));
  return result;
}

bool Window::leaves(const std::vector<std::int64_t>& image, const std::vector<std::int64_t>& positions) const {
  for (std::size_t i = 0; i < size.size(); ++i)
    if (low[i] > 0 || (positions[i] - 1) * stride[i] - low[i] + reach(i) > image[i]) return true;
  return false;
}

Shape image_shape(const ImageLayout& layout, const Dim& batch, const Dim& channels, const Shape& space) {
  Shape result(layout.rank());
  result[0] = batch;
  result[layout.channel()] = channels;
  for (std::size_t i = 0; i < layout.spatial; ++i) result[layout.space(i)] = space[i];
  return result;
}

Shape space_of(const ImageLayout& layout, const Shape& image) {
  Shape result;
  for (std::size_t i = 0; i < layout.spatial; ++i) result.push_back(image[layout.space(i)]);
  return result;
}

std::size_t FormVariables::domain(std::int64_t extent) {
  ensure(reduction_.empty(), "domain variables are named before reduction variables");
  domain_.push_back(extent);
  return domain_.size() - 1;
}

std::size_t FormVariables::reduction(std::int64_t extent) {
  reduction_.push_back(extent);
  return domain_.size() + reduction_.size() - 1;
}

std::vector<std::size_t> FormVariables::domains(const std::vector<std::int64_t>& extents) {
  std::vector<std::size_t> variables;
  for (std::int64_t extent : extents) variables.push_back(domain(extent));
  return variables;
}

std::vector<std::size_t> FormVariables::reductions(const std::vector<std::int64_t>& extents) {
  std::vector<std::size_t> variables;
  for (std::int64_t extent : extents) variables.push_back(reduction(extent));
  return variables;
}

IndexMap FormVariables::map(std::initializer_list<std::pair<std::size_t, std::int64_t>> parts, std::int64_t offset,
                            std::int64_t divisor) const {
  IndexMap map = constant_index(domain_.size() + reduction_.size(), offset);
  for (auto [variable, coefficient] : parts)
    if (variable != kNone) map.coefficients[variable] += coefficient;
  map.divisor = divisor;
  return map;
}

IndexedForm FormVariables::form() const {
  IndexedForm form;
  form.domain = domain_;
  form.reduction = reduction_;
  return form;
}

IndexMap covered(const FormVariables& variables, const Window& window, std::size_t i, std::size_t s, std::size_t k) {
  return variables.map({{s, window.stride[i]}, {k, window.dilation[i]}}, -window.low[i]);
}

IndexMap covering(const FormVariables& variables, const Window& window, std::size_t i, std::size_t h, std::size_t k) {
  return variables.map({{h, 1}, {k, -window.dilation[i]}}, window.low[i], window.stride[i]);
}

AttributeSpec window_list(const std::string& name, const std::string& doc) {
  return {name, AttributeKind::int_list, doc, IntList{}};
}

AttributeSpec channels_last_attribute() {
  return {"channels_last", AttributeKind::boolean, "images are [N,spatial…,C] rather than [N,C,spatial…]", false};
}

}  // namespace gradc
