// The passes over memory around the convolution, each of which does the work of several: what an instruction set
// offers. Channels are last and contiguous. Rows, or lines of an image, do not depend on each other, so that the bits
// are the same for any number of threads.
#pragma once

#include <cstdint>

namespace dcnv3 {

// A layer normalisation: two vectors of channels, and what is added to the variance.
struct Normalisation {
  const float *weight, *bias;
  float eps;
};

struct LayerKernels {
  // x += bias, and then the GELU if asked for (channels in multiples of 16): rows [begin, end).
  void (*finish)(float* x, const float* bias, int64_t channels, bool gelu, int64_t begin, int64_t end);
  // x = residual + scale * (x + bias), and normed = that normalised (channels in multiples of 16): rows [begin, end).
  void (*join)(float* x, const float* residual, const float* bias, const float* scale, float* normed,
               const Normalisation& norm, int64_t channels, int64_t begin, int64_t end);
  // GELU of the normalised depthwise convolution (3 x 3, padding 1) of images (height, width, channels), with weights
  // (channels, 9): image lines [begin, end). Channels come in multiples of 16.
  void (*depthwise)(const float* x, const float* weight, const float* bias, const Normalisation& norm, float* result,
                    int64_t height, int64_t width, int64_t channels, int64_t begin, int64_t end);
};

namespace portable {
extern const LayerKernels layers;
}  // namespace portable

#if defined(__x86_64__)
namespace avx2 {
extern const LayerKernels layers;
}  // namespace avx2

namespace avx512 {
extern const LayerKernels layers;
}  // namespace avx512
#endif

}  // namespace dcnv3
