// From the arguments of a call in PyTorch to the sizes of a problem, checked; shared by the CPU and the CUDA binding.
#pragma once

#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/util/Exception.h>

#include <vector>

#include "problem.h"

namespace dcnv3 {

using Sizes = std::vector<int64_t>;
using torch::stable::Tensor;

inline int64_t result_size(int64_t size, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation) {
  const int64_t room = size + 2 * padding - dilation * (kernel - 1) - 1;
  return room < 0 ? 0 : room / stride + 1;
}

inline Problem problem_of(const Tensor& value, const Tensor& offset, const Tensor& modulation, int64_t groups,
                          const Sizes& kernel_size, const Sizes& stride, const Sizes& padding, const Sizes& dilation,
                          double scale, bool softmax, bool remove_center) {
  STD_TORCH_CHECK(value.dim() == 4, "deform_conv: value must be (N, H, W, C)");
  STD_TORCH_CHECK(kernel_size.size() == 2 && stride.size() == 2 && padding.size() == 2 && dilation.size() == 2,
                  "deform_conv: kernel_size, stride, padding and dilation must be (rows, columns)");
  Problem p{};
  p.batch = value.size(0), p.height = value.size(1), p.width = value.size(2), p.channels = value.size(3);
  p.groups = groups;
  p.kernel_h = kernel_size[0], p.kernel_w = kernel_size[1], p.stride_h = stride[0], p.stride_w = stride[1];
  p.padding_h = padding[0], p.padding_w = padding[1], p.dilation_h = dilation[0], p.dilation_w = dilation[1];
  p.scale = scale, p.softmax = softmax, p.remove_center = remove_center;
  STD_TORCH_CHECK(p.kernel_h > 0 && p.kernel_w > 0 && p.stride_h > 0 && p.stride_w > 0 && p.dilation_h > 0 &&
                      p.dilation_w > 0 && p.padding_h >= 0 && p.padding_w >= 0,
                  "deform_conv: kernel_size, stride and dilation must be positive, padding not negative");
  STD_TORCH_CHECK(!remove_center || (p.kernel_h % 2 == 1 && p.kernel_w % 2 == 1),
                  "deform_conv: remove_center needs an odd kernel size");
  STD_TORCH_CHECK(groups > 0 && p.channels % groups == 0, "deform_conv: the channels must be a multiple of the groups");
  p.rows = result_size(p.height, p.kernel_h, p.stride_h, p.padding_h, p.dilation_h);
  p.columns = result_size(p.width, p.kernel_w, p.stride_w, p.padding_w, p.dilation_w);
  const auto fits = [&p](const Tensor& t, int64_t last) {
    return t.dim() == 4 && t.size(0) == p.batch && t.size(1) == p.rows && t.size(2) == p.columns && t.size(3) == last;
  };
  STD_TORCH_CHECK(fits(modulation, groups * p.points()), "deform_conv: modulation must be (N, Ho, Wo, G * K)");
  STD_TORCH_CHECK(fits(offset, groups * p.points() * 2), "deform_conv: offset must be (N, Ho, Wo, G * K * 2)");
  STD_TORCH_CHECK(offset.scalar_type() == value.scalar_type() && modulation.scalar_type() == value.scalar_type(),
                  "deform_conv: value, offset and modulation must be of one type");
  return p;
}

inline void check_gradient(const Problem& p, const Tensor& gradient, const Tensor& value) {
  STD_TORCH_CHECK(gradient.dim() == 4 && gradient.size(0) == p.batch && gradient.size(1) == p.rows &&
                      gradient.size(2) == p.columns && gradient.size(3) == p.channels &&
                      gradient.scalar_type() == value.scalar_type(),
                  "deform_conv_backward: the gradient must be (N, Ho, Wo, C) of the type of value");
}

}  // namespace dcnv3
