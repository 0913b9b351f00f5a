// Sizes of one deformable convolution, shared by all kernels.
//
// Arrays are contiguous: value (batch, height, width, channels), result (batch, rows, columns, channels),
// offset (batch, rows, columns, groups, points, 2) with (x, y), modulation (batch, rows, columns, groups, points).
#pragma once

#include <cstdint>

#include "storage.h"

namespace dcnv3 {

struct Problem {
  int64_t batch, height, width, channels, groups;
  int64_t rows, columns;
  int64_t kernel_h, kernel_w, stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w;
  double scale;         // factor of window and offsets
  bool softmax;         // modulation holds logits
  bool remove_center;   // the window lacks its central point

  int64_t points() const { return kernel_h * kernel_w - (remove_center ? 1 : 0); }
  int64_t group_width() const { return channels / groups; }
};

constexpr int64_t most_points = 512;  // of a window; a block of work holds no more

inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

// As many of these groups as a block of work can hold, and a divisor of their number.
inline int64_t slice_of(const Problem& p, int64_t groups) {
  int64_t parts = 1;
  while (groups % parts != 0 || groups / parts * p.points() > most_points) ++parts;
  return groups / parts;
}

// The kernels for one type of number and one instruction set. `forward` computes result rows [begin, end) of batch * rows; `backward` computes
// tasks [begin, end) of batch * slices, each the gradients of one image and one slice of its groups.
template <class T>
struct Kernels {
  void (*forward)(const Problem&, const T* value, const T* offset, const T* modulation, T* result, int64_t begin,
                  int64_t end);
  void (*backward)(const Problem&, const T* value, const T* offset, const T* modulation, const T* gradient,
                   T* value_gradient, T* offset_gradient, T* modulation_gradient, int64_t slices, int64_t begin,
                   int64_t end);
};

namespace portable {
extern const Kernels<float> single_precision;
extern const Kernels<double> double_precision;
extern const Kernels<BFloat16> bfloat16;
extern const Kernels<Half> half;
}  // namespace portable

#if defined(__x86_64__)
namespace avx2 {
extern const Kernels<float> single_precision;
extern const Kernels<BFloat16> bfloat16;
extern const Kernels<Half> half;
}  // namespace avx2

namespace avx512 {
extern const Kernels<float> single_precision;
extern const Kernels<BFloat16> bfloat16;
extern const Kernels<Half> half;
}  // namespace avx512
#endif

}  // namespace dcnv3
