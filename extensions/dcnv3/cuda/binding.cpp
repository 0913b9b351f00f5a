// Registration of the CUDA kernels with PyTorch through its stable C interface, for the operators that ../binding.cpp
// defines. Plain C++ without any header of CUDA: this file hands pointers and a stream to kernels.h.
#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>

#include <tuple>

#include "../arguments.h"
#include "kernels.h"

// Only a PyTorch for CUDA has this one. Weak, so that the library can be loaded, and its registration be checked, by
// any other.
extern "C" __attribute__((weak)) AOTITorchError aoti_torch_get_current_cuda_stream(int32_t device, void** stream);

namespace {

using dcnv3::check_gradient;
using dcnv3::Problem;
using dcnv3::problem_of;
using dcnv3::Sizes;
using torch::headeronly::ScalarType;
using torch::stable::Tensor;

const dcnv3::CudaKernels& kernels_for(const Problem& p, const Tensor& value, const Tensor& offset,
                                      const Tensor& modulation) {
  const auto device = value.get_device_index();
  STD_TORCH_CHECK(value.is_cuda() && offset.is_cuda() && modulation.is_cuda() &&
                      offset.get_device_index() == device && modulation.get_device_index() == device,
                  "deform_conv: value, offset and modulation must be on one device");
  STD_TORCH_CHECK(dcnv3::cuda_takes(p), "deform_conv: the image or the window is too large for the CUDA kernel");
  switch (value.scalar_type()) {
    case ScalarType::Float: return dcnv3::cuda_single;
    case ScalarType::Double: return dcnv3::cuda_double;
    case ScalarType::Half: return dcnv3::cuda_half;
    case ScalarType::BFloat16: return dcnv3::cuda_bfloat16;
    default: STD_TORCH_CHECK(false, "deform_conv: the CUDA kernel takes float16, bfloat16, float32 or float64");
  }
}

void* stream_of(const Tensor& tensor) {
  STD_TORCH_CHECK(aoti_torch_get_current_cuda_stream, "deform_conv: this PyTorch has no CUDA");
  void* stream = nullptr;
  TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(tensor.get_device_index(), &stream));
  return stream;
}

// The kernels read 16 bytes at a time: in place if possible, from a copy if the tensor is a view that begins elsewhere.
Tensor aligned(const Tensor& tensor) {
  const Tensor whole = torch::stable::contiguous(tensor);
  return reinterpret_cast<uintptr_t>(whole.const_data_ptr()) % 16 ? torch::stable::clone(whole) : whole;
}

void check(int error) {
  STD_TORCH_CHECK(error == 0, "deform_conv: the CUDA kernel cannot be started: ", dcnv3::cuda_error(error));
}

Tensor deform_conv(const Tensor value, const Tensor offset, const Tensor modulation, int64_t groups,
                   const Sizes kernel_size, const Sizes stride, const Sizes padding, const Sizes dilation,
                   double offset_scale, bool softmax, bool remove_center) {
  const Problem p = problem_of(value, offset, modulation, groups, kernel_size, stride, padding, dilation, offset_scale,
                               softmax, remove_center);
  const dcnv3::CudaKernels& kernels = kernels_for(p, value, offset, modulation);
  const torch::stable::accelerator::DeviceGuard guard(value.get_device_index());
  const Tensor v = aligned(value), o = aligned(offset), m = aligned(modulation);
  const int64_t shape[] = {p.batch, p.rows, p.columns, p.channels};
  Tensor result = torch::stable::new_empty(v, {shape, 4});
  if (v.numel() == 0) torch::stable::zero_(result);
  if (result.numel() == 0 || v.numel() == 0) return result;
  check(kernels.forward(p, v.const_data_ptr(), o.const_data_ptr(), m.const_data_ptr(), result.mutable_data_ptr(),
                        stream_of(v)));
  return result;
}

std::tuple<Tensor, Tensor, Tensor> deform_conv_backward(const Tensor gradient, const Tensor value, const Tensor offset,
                                                        const Tensor modulation, int64_t groups,
                                                        const Sizes kernel_size, const Sizes stride,
                                                        const Sizes padding, const Sizes dilation, double offset_scale,
                                                        bool softmax, bool remove_center, bool deterministic) {
  const Problem p = problem_of(value, offset, modulation, groups, kernel_size, stride, padding, dilation, offset_scale,
                               softmax, remove_center);
  check_gradient(p, gradient, value);
  const dcnv3::CudaKernels& kernels = kernels_for(p, value, offset, modulation);
  const torch::stable::accelerator::DeviceGuard guard(value.get_device_index());
  const Tensor v = aligned(value), o = aligned(offset), m = aligned(modulation), g = aligned(gradient);
  Tensor value_gradient = torch::stable::new_empty(v, v.sizes());
  Tensor offset_gradient = torch::stable::new_empty(o, o.sizes());
  Tensor modulation_gradient = torch::stable::new_empty(m, m.sizes());
  if (g.numel() == 0 || v.numel() == 0) {
    torch::stable::zero_(value_gradient);
    torch::stable::zero_(offset_gradient);
    torch::stable::zero_(modulation_gradient);
  } else {
    const int64_t bytes[] = {kernels.workspace(p, deterministic)};
    Tensor workspace = torch::stable::new_empty(v, {bytes, 1}, ScalarType::Byte);
    check(kernels.backward(p, v.const_data_ptr(), o.const_data_ptr(), m.const_data_ptr(), g.const_data_ptr(),
                           value_gradient.mutable_data_ptr(), offset_gradient.mutable_data_ptr(),
                           modulation_gradient.mutable_data_ptr(), workspace.mutable_data_ptr(), deterministic,
                           stream_of(v)));
  }
  return {value_gradient, offset_gradient, modulation_gradient};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(sslpdl, CUDA, library) {
  library.impl("deform_conv", TORCH_BOX(&deform_conv));
  library.impl("deform_conv_backward", TORCH_BOX(&deform_conv_backward));
}
