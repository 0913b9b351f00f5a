// Where the offsets come from: depthwise convolution (3 x 3), layer normalisation and GELU in one pass.
//
// Four pixels of a line at a time: nine weights of some channels stay in registers while the eighteen pixels around
// are read once each. The four results wait in the first cache until all channels are there to normalise them.
#pragma once

#include <vector>

#include "rows.h"

namespace dcnv3 {
namespace {

constexpr int64_t together = 4;  // pixels

template <class V>
void depthwise(const float* x, const float* weight, const float* bias, const Normalisation& norm, float* result,
               int64_t height, int64_t width, int64_t channels, int64_t begin, int64_t end) {
  using reg = typename V::reg;
  // vectors that cross a cache line cost twice: everything begins on one
  std::vector<float> scratch((9 + together + 1) * channels + 16);
  float* const taps = scratch.data() + (16 - reinterpret_cast<uintptr_t>(scratch.data()) / sizeof(float) % 16) % 16;
  float *const sums = taps + 9 * channels, *const nothing = sums + together * channels;
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t k = 0; k < 9; ++k) taps[k * channels + c] = weight[c * 9 + k];
  for (int64_t line = begin; line < end; ++line) {
    const int64_t row = line % height;
    for (int64_t column = 0; column < width; column += together) {
      const float* at[3][together + 2];
      for (int64_t i = 0; i < 3; ++i)
        for (int64_t j = 0; j < together + 2; ++j) {
          const int64_t y = row + i - 1, u = column + j - 1;
          const bool inside = y >= 0 && y < height && u >= 0 && u < width;
          at[i][j] = inside ? x + ((line + i - 1) * width + u) * channels : nothing;
        }
      for (int64_t c = 0; c < channels; c += V::lanes) {
        reg sum[together];
        for (reg& s : sum) s = V::load(bias + c);
        for (int64_t i = 0; i < 3; ++i) {
          const float* tap = taps + 3 * i * channels + c;
          const reg left = V::load(tap), middle = V::load(tap + channels), right = V::load(tap + 2 * channels);
          for (int64_t j = 0; j < together; ++j) {
            sum[j] = V::fma(V::load(at[i][j] + c), left, sum[j]);
            sum[j] = V::fma(V::load(at[i][j + 1] + c), middle, sum[j]);
            sum[j] = V::fma(V::load(at[i][j + 2] + c), right, sum[j]);
          }
        }
        for (int64_t j = 0; j < together; ++j) V::store(sums + j * channels + c, sum[j]);
      }
      for (int64_t j = 0; j < together && column + j < width; ++j)
        normalise<V, true>(sums + j * channels, result + (line * width + column + j) * channels, norm, channels);
    }
  }
}

}  // namespace
}  // namespace dcnv3
