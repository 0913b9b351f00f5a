// Registration with PyTorch through its stable C interface: the operators sslpdl::deform_conv and
// sslpdl::deform_conv_backward, the passes around them, and the CPU kernels of all. Only this file sees PyTorch. The stable headers compile in a
// second or two, and threads are PyTorch's own, so that torch.set_num_threads holds here and no OpenMP is needed.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>

#include <cstdlib>
#include <cstring>
#include <tuple>

#include "arguments.h"
#include "layers.h"

namespace {

using dcnv3::check_gradient;
using dcnv3::Problem;
using dcnv3::problem_of;
using dcnv3::Sizes;
using torch::headeronly::ScalarType;
using torch::stable::Tensor;

struct InstructionSet {
  const char* name;
  const dcnv3::Kernels<float>& single_precision;
  const dcnv3::Kernels<dcnv3::BFloat16>& bfloat16;
  const dcnv3::Kernels<dcnv3::Half>& half;
  const dcnv3::LayerKernels& layers;
};

const InstructionSet portable{"portable", dcnv3::portable::single_precision, dcnv3::portable::bfloat16,
                              dcnv3::portable::half, dcnv3::portable::layers};
#if defined(__x86_64__)
const InstructionSet avx2{"avx2", dcnv3::avx2::single_precision, dcnv3::avx2::bfloat16, dcnv3::avx2::half,
                          dcnv3::avx2::layers};
const InstructionSet avx512{"avx512", dcnv3::avx512::single_precision, dcnv3::avx512::bfloat16, dcnv3::avx512::half,
                            dcnv3::avx512::layers};
#endif

// The widest instruction set of this processor, or a narrower one that SSLPDL_ISA asks for.
const InstructionSet& instructions() {
  static const InstructionSet* const chosen = [] {
    const char* limit = std::getenv("SSLPDL_ISA");
    const auto allowed = [limit](const char* name) { return !limit || !*limit || !std::strcmp(limit, name); };
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool vectors256 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                            __builtin_cpu_supports("f16c");
    const bool vectors512 = vectors256 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                            __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
    if (vectors512 && allowed("avx512")) return &avx512;
    if (vectors256 && (allowed("avx2") || allowed("avx512"))) return &avx2;
#endif
    static_cast<void>(allowed);
    return &portable;
  }();
  return *chosen;
}

template <class T>
const dcnv3::Kernels<T>& kernels();
template <>
const dcnv3::Kernels<float>& kernels<float>() {
  return instructions().single_precision;
}
template <>
const dcnv3::Kernels<double>& kernels<double>() {
  return dcnv3::portable::double_precision;  // for gradient checks, which need no speed
}
template <>
const dcnv3::Kernels<dcnv3::BFloat16>& kernels<dcnv3::BFloat16>() {
  return instructions().bfloat16;
}
template <>
const dcnv3::Kernels<dcnv3::Half>& kernels<dcnv3::Half>() {
  return instructions().half;
}

// Calls `run` with a number of the type of the tensor.
template <class Run>
void for_type_of(const Tensor& tensor, const Run& run) {
  switch (tensor.scalar_type()) {
    case ScalarType::Float:
      return run(float());
    case ScalarType::Double:
      return run(double());
    case ScalarType::BFloat16:
      return run(dcnv3::BFloat16());
    case ScalarType::Half:
      return run(dcnv3::Half());
    default:
      STD_TORCH_CHECK(false, "deform_conv: the CPU kernel takes float32, float64, bfloat16 and float16");
  }
}

// What the CPU kernel takes of all that is well formed.
void check_limits(const Problem& p, const Tensor& value) {
  // a place in an image is a 32-bit integer, and a float must hold its row and column exactly
  STD_TORCH_CHECK(p.height < (1 << 22) && p.width < (1 << 22) &&
                      p.height * p.width * p.channels < (int64_t(1) << 31) && p.points() <= dcnv3::most_points,
                  "deform_conv: the image or the window is too large for the CPU kernel");
  for_type_of(value, [](auto) {});
}

// Slices of the groups, so that images times slices keep all threads busy; the result does not depend on it.
int64_t slices_of(const Problem& p, int64_t threads) {
  int64_t slices = 1;
  for (int64_t next = 2; next <= p.groups; ++next) {
    const int64_t tasks = p.batch * slices;
    if (tasks % threads == 0 || tasks >= 8 * threads) break;
    if (p.groups % next == 0) slices = next;
  }
  return slices;
}

template <class T>
const T* data(const Tensor& tensor) {
  return static_cast<const T*>(tensor.const_data_ptr());
}
template <class T>
T* data(Tensor& tensor) {
  return static_cast<T*>(tensor.mutable_data_ptr());
}

template <class T>
void forward(const Problem& p, const Tensor& value, const Tensor& offset, const Tensor& modulation, Tensor& result) {
  const T *v = data<T>(value), *o = data<T>(offset), *m = data<T>(modulation);
  T* r = data<T>(result);
  const int64_t grain = 1 + 1500 / (1 + p.columns * p.groups);  // rows worth the start of a thread, some 20 us
  torch::stable::parallel_for(0, p.batch * p.rows, grain, [&](int64_t begin, int64_t end) {
    kernels<T>().forward(p, v, o, m, r, begin, end);
  });
}

template <class T>
void backward(const Problem& p, const Tensor& value, const Tensor& offset, const Tensor& modulation,
              const Tensor& gradient, Tensor& value_gradient, Tensor& offset_gradient, Tensor& modulation_gradient) {
  const T *v = data<T>(value), *o = data<T>(offset), *m = data<T>(modulation), *g = data<T>(gradient);
  T *gv = data<T>(value_gradient), *go = data<T>(offset_gradient), *gm = data<T>(modulation_gradient);
  const int64_t slices = slices_of(p, torch::stable::get_num_threads());
  torch::stable::parallel_for(0, p.batch * slices, 1, [&](int64_t begin, int64_t end) {
    kernels<T>().backward(p, v, o, m, g, gv, go, gm, slices, begin, end);
  });
}

Tensor deform_conv(const Tensor value, const Tensor offset, const Tensor modulation, int64_t groups,
                   const Sizes kernel_size, const Sizes stride, const Sizes padding, const Sizes dilation,
                   double offset_scale, bool softmax, bool remove_center) {
  const Problem p = problem_of(value, offset, modulation, groups, kernel_size, stride, padding, dilation, offset_scale,
                               softmax, remove_center);
  check_limits(p, value);
  const Tensor v = torch::stable::contiguous(value), o = torch::stable::contiguous(offset);
  const Tensor m = torch::stable::contiguous(modulation);
  const int64_t shape[] = {p.batch, p.rows, p.columns, p.channels};
  Tensor result = torch::stable::new_empty(v, {shape, 4});
  if (p.height * p.width == 0) torch::stable::zero_(result);
  if (result.numel() == 0 || p.height * p.width == 0) return result;
  for_type_of(v, [&](auto number) { forward<decltype(number)>(p, v, o, m, result); });
  return result;
}

// The last argument asks for the same bits every time, which this kernel gives anyway.
std::tuple<Tensor, Tensor, Tensor> deform_conv_backward(const Tensor gradient, const Tensor value, const Tensor offset,
                                                        const Tensor modulation, int64_t groups,
                                                        const Sizes kernel_size, const Sizes stride,
                                                        const Sizes padding, const Sizes dilation, double offset_scale,
                                                        bool softmax, bool remove_center, bool) {
  const Problem p = problem_of(value, offset, modulation, groups, kernel_size, stride, padding, dilation, offset_scale,
                               softmax, remove_center);
  check_limits(p, value);
  check_gradient(p, gradient, value);
  const Tensor v = torch::stable::contiguous(value), o = torch::stable::contiguous(offset);
  const Tensor m = torch::stable::contiguous(modulation), g = torch::stable::contiguous(gradient);
  Tensor value_gradient = torch::stable::new_empty(v, v.sizes());
  Tensor offset_gradient = torch::stable::new_empty(o, o.sizes());
  Tensor modulation_gradient = torch::stable::new_empty(m, m.sizes());
  if (g.numel() == 0 || v.numel() == 0) {
    torch::stable::zero_(value_gradient);
    torch::stable::zero_(offset_gradient);
    torch::stable::zero_(modulation_gradient);
  } else {
    for_type_of(v, [&](auto number) {
      backward<decltype(number)>(p, v, o, m, g, value_gradient, offset_gradient, modulation_gradient);
    });
  }
  return {value_gradient, offset_gradient, modulation_gradient};
}

// What follows takes float32 in contiguous memory, as sslpdl/ops/passes.py sees to.
void check_plain(const Tensor& tensor, int64_t count) {
  STD_TORCH_CHECK(tensor.is_contiguous() && tensor.numel() == count && tensor.scalar_type() == ScalarType::Float,
                  "sslpdl: a contiguous float32 tensor of ", count, " numbers is needed");
}

// The last dimension, the number of channels.
int64_t channels_of(const Tensor& tensor) {
  const int64_t channels = tensor.size(tensor.dim() - 1);
  STD_TORCH_CHECK(channels % 16 == 0, "sslpdl: channels must come in multiples of 16");
  return channels;
}

constexpr int64_t worth_a_thread = 16384;  // numbers, some 10 us of work

void finish_rows_(Tensor x, const Tensor bias, bool gelu) {
  const int64_t channels = gelu ? channels_of(x) : x.size(x.dim() - 1);
  check_plain(x, x.numel());
  check_plain(bias, channels);
  float* rows = data<float>(x);
  const float* b = data<float>(bias);
  torch::stable::parallel_for(0, x.numel() / channels, 1 + worth_a_thread / channels, [&](int64_t begin, int64_t end) {
    instructions().layers.finish(rows, b, channels, gelu, begin, end);
  });
}

Tensor join_rows_(Tensor x, const Tensor residual, const Tensor bias, const Tensor scale, const Tensor weight,
                  const Tensor shift, double eps) {
  const int64_t channels = channels_of(x);
  for (const Tensor& rows : {x, residual}) check_plain(rows, x.numel());
  for (const Tensor& vector : {bias, scale, weight, shift}) check_plain(vector, channels);
  Tensor normed = torch::stable::new_empty(x, x.sizes());
  const dcnv3::Normalisation norm{data<float>(weight), data<float>(shift), static_cast<float>(eps)};
  float *rows = data<float>(x), *n = data<float>(normed);
  const float *r = data<float>(residual), *b = data<float>(bias), *s = data<float>(scale);
  torch::stable::parallel_for(0, x.numel() / channels, 1 + worth_a_thread / channels, [&](int64_t begin, int64_t end) {
    instructions().layers.join(rows, r, b, s, n, norm, channels, begin, end);
  });
  return normed;
}

Tensor depthwise_norm_gelu(const Tensor x, const Tensor weight, const Tensor bias, const Tensor norm_weight,
                           const Tensor norm_bias, double eps) {
  STD_TORCH_CHECK(x.dim() == 4, "sslpdl: an image must be (N, H, W, C)");
  const int64_t height = x.size(1), width = x.size(2), channels = channels_of(x);
  check_plain(x, x.numel());
  check_plain(weight, 9 * channels);
  for (const Tensor& vector : {bias, norm_weight, norm_bias}) check_plain(vector, channels);
  Tensor result = torch::stable::new_empty(x, x.sizes());
  const dcnv3::Normalisation norm{data<float>(norm_weight), data<float>(norm_bias), static_cast<float>(eps)};
  const float *v = data<float>(x), *w = data<float>(weight), *b = data<float>(bias);
  float* r = data<float>(result);
  const int64_t grain = 1 + worth_a_thread / (1 + width * channels);
  torch::stable::parallel_for(0, x.size(0) * height, grain, [&](int64_t begin, int64_t end) {
    instructions().layers.depthwise(v, w, b, norm, r, height, width, channels, begin, end);
  });
  return result;
}

}  // namespace

STABLE_TORCH_LIBRARY(sslpdl, library) {
  library.def(
      "deform_conv(Tensor value, Tensor offset, Tensor modulation, int groups, int[] kernel_size, int[] stride, "
      "int[] padding, int[] dilation, float offset_scale, bool softmax, bool remove_center) -> Tensor");
  library.def(
      "deform_conv_backward(Tensor gradient, Tensor value, Tensor offset, Tensor modulation, int groups, "
      "int[] kernel_size, int[] stride, int[] padding, int[] dilation, float offset_scale, bool softmax, "
      "bool remove_center, bool deterministic=False) -> (Tensor, Tensor, Tensor)");
  library.def("finish_rows_(Tensor(a!) x, Tensor bias, bool gelu) -> ()");
  library.def(
      "join_rows_(Tensor(a!) x, Tensor residual, Tensor bias, Tensor scale, Tensor weight, Tensor shift, float eps) "
      "-> Tensor");
  library.def(
      "depthwise_norm_gelu(Tensor x, Tensor weight, Tensor bias, Tensor norm_weight, Tensor norm_bias, float eps) "
      "-> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(sslpdl, CPU, library) {
  library.impl("deform_conv", TORCH_BOX(&deform_conv));
  library.impl("deform_conv_backward", TORCH_BOX(&deform_conv_backward));
  library.impl("finish_rows_", TORCH_BOX(&finish_rows_));
  library.impl("join_rows_", TORCH_BOX(&join_rows_));
  library.impl("depthwise_norm_gelu", TORCH_BOX(&depthwise_norm_gelu));
}

// Name of the instruction set in use, for `sslpdl doctor`.
extern "C" __attribute__((visibility("default"))) const char* sslpdl_dcnv3_instructions() {
  return instructions().name;
}
