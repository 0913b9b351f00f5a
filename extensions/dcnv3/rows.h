// What comes after a matrix product, on rows of channels: bias and GELU; bias, scale, residual and normalisation.
//
// PyTorch writes and reads the whole tensor for each of these. Here a row is read once and everything that follows
// happens while it lies in the first cache. Channels come in multiples of 16, but for a bias alone.
#pragma once

#include <cmath>

#include "gelu.h"
#include "layers.h"

namespace dcnv3 {
namespace {

// Normalises one row over its channels; `x` and `result` may be the same. The mean is taken off before the squares.
template <class V, bool GELU>
DCNV3_INLINE void normalise(const float* x, float* result, const Normalisation& norm, int64_t channels) {
  using reg = typename V::reg;
  reg sum = V::set(0.0f), squares = V::set(0.0f);
  for (int64_t c = 0; c < channels; c += V::lanes) sum = V::add(sum, V::load(x + c));
  const reg mean = V::set(V::total(sum) / static_cast<float>(channels));
  for (int64_t c = 0; c < channels; c += V::lanes) {
    const reg d = V::sub(V::load(x + c), mean);
    squares = V::fma(d, d, squares);
  }
  const reg scale = V::set(1.0f / std::sqrt(V::total(squares) / static_cast<float>(channels) + norm.eps));
  for (int64_t c = 0; c < channels; c += V::lanes) {
    const reg d = V::mul(V::sub(V::load(x + c), mean), scale);
    const reg y = V::fma(d, V::load(norm.weight + c), V::load(norm.bias + c));
    V::store(result + c, GELU ? gelu<V>(y) : y);
  }
}

// The last vector may not overlap the one before it, which would be added to twice.
template <class V>
DCNV3_INLINE void add(float* row, const float* bias, int64_t channels) {
  int64_t c = 0;
  for (; c + V::lanes <= channels; c += V::lanes) V::store(row + c, V::add(V::load(row + c), V::load(bias + c)));
  for (; c < channels; ++c) row[c] += bias[c];
}

template <class V>
void finish(float* x, const float* bias, int64_t channels, bool with_gelu, int64_t begin, int64_t end) {
  for (float* row = x + begin * channels; row < x + end * channels; row += channels)
    if (with_gelu)
      for (int64_t c = 0; c < channels; c += V::lanes)
        V::store(row + c, gelu<V>(V::add(V::load(row + c), V::load(bias + c))));
    else
      add<V>(row, bias, channels);
}

template <class V>
void join(float* x, const float* residual, const float* bias, const float* scale, float* normed,
          const Normalisation& norm, int64_t channels, int64_t begin, int64_t end) {
  for (int64_t i = begin * channels; i < end * channels; i += channels) {
    for (int64_t c = 0; c < channels; c += V::lanes) {
      const typename V::reg y = V::add(V::load(x + i + c), V::load(bias + c));
      V::store(x + i + c, V::fma(y, V::load(scale + c), V::load(residual + i + c)));
    }
    normalise<V, false>(x + i, normed + i, norm, channels);
  }
}

}  // namespace
}  // namespace dcnv3
