// What happens to the channels of one group at its sampling points: the innermost loops of both kernels.
//
// Fixed holds the channels of a group in a fixed number of registers; 16 channels are one AVX-512 register, or two of
// AVX2. Any takes every other width and double precision, with loops that the compiler turns into vectors.
//
// POINTS is the number of points of a group when it is known at compile time (9), else 0.
#pragma once

#include "points.h"

namespace dcnv3 {
namespace {

template <class V, int REGS>
struct Fixed {
  using T = typename V::scalar;
  using reg = typename V::reg;
  static constexpr int together = V::lanes / 4;  // points whose dot products are summed up in one go

  // Writes the weighted sum of the points of one group, from point `i` on.
  template <int POINTS>
  static DCNV3_INLINE void gather(const T* image, const Located<T>& at, int64_t i, int64_t points, const Steps& steps,
                                  int64_t, T* result) {
    reg sum[4][REGS];
    for (auto& corner : sum)
      for (reg& part : corner) part = V::set(T(0));
    const int64_t end = i + (POINTS ? POINTS : points);
    for (; i < end; ++i) {
      const T* pixel = image + at.place[i];
      for (int r = 0; r < REGS; ++r, pixel += V::lanes) {
        sum[0][r] = V::fma(V::set(at.upper_left[i]), V::load(pixel), sum[0][r]);
        sum[1][r] = V::fma(V::set(at.upper_right[i]), V::load(pixel + steps.right), sum[1][r]);
        sum[2][r] = V::fma(V::set(at.lower_left[i]), V::load(pixel + steps.below), sum[2][r]);
        sum[3][r] = V::fma(V::set(at.lower_right[i]), V::load(pixel + steps.opposite), sum[3][r]);
      }
    }
    for (int r = 0; r < REGS; ++r)
      V::store(result + r * V::lanes, V::add(V::add(sum[0][r], sum[1][r]), V::add(sum[2][r], sum[3][r])));
  }

  // For GROUPS neighbouring groups and COUNT points of each, from point `i` of the first group on: adds weight *
  // gradient to the four pixels of every point, and writes the four dot products pixel * gradient. `image`,
  // `image_gradient` and `gradient` begin at the first of these groups.
  template <int POINTS, int GROUPS, int COUNT>
  static DCNV3_INLINE void scatter(const T* __restrict image, T* __restrict image_gradient,
                                   const T* __restrict gradient, const Located<T>& at, int64_t i, int64_t points,
                                   const Steps& steps, int64_t, T* __restrict dots) {
    static_assert(GROUPS * COUNT <= together, "no room for the sums");
    constexpr int64_t width = REGS * V::lanes;
    if (POINTS) points = POINTS;
    reg product[V::lanes];
    T* to[together];
    T unused[4];
    for (int j = 0; j < together; ++j) {
      const int group = j / COUNT;
      if (group >= GROUPS) {
        for (int corner = 0; corner < 4; ++corner) product[4 * j + corner] = V::set(T(0));
        to[j] = unused;
        continue;
      }
      const int64_t point = i + group * points + j % COUNT;
      to[j] = dots + 4 * point;
      const int64_t place = at.place[point] + group * width;
      const T* pixel = image + place;
      T* slot = image_gradient + place;
      const T* incoming = gradient + group * width;
      for (int r = 0; r < REGS; ++r, pixel += V::lanes, slot += V::lanes, incoming += V::lanes) {
        const reg g = V::load(incoming);
        const auto dot = [&](int corner, int64_t step, T weight) {
          reg& p = product[4 * j + corner];
          p = r == 0 ? V::mul(g, V::load(pixel + step)) : V::fma(g, V::load(pixel + step), p);
          V::store(slot + step, V::fma(V::set(weight), g, V::load(slot + step)));
        };
        dot(0, 0, at.upper_left[point]);
        dot(1, steps.right, at.upper_right[point]);
        dot(2, steps.below, at.lower_left[point]);
        dot(3, steps.opposite, at.lower_right[point]);
      }
    }
    V::dots(product, to);
  }
};

template <class T>
struct Any {
  static constexpr int together = 1;

  template <int POINTS>
  static void gather(const T* image, const Located<T>& at, int64_t i, int64_t points, const Steps& steps,
                     int64_t width, T* __restrict result) {
    for (int64_t c = 0; c < width; ++c) result[c] = T(0);
    for (const int64_t end = i + points; i < end; ++i) {
      const T* pixel = image + at.place[i];
      const T *right = pixel + steps.right, *below = pixel + steps.below, *opposite = pixel + steps.opposite;
      const T a = at.upper_left[i], b = at.upper_right[i], d = at.lower_left[i], e = at.lower_right[i];
#pragma omp simd
      for (int64_t c = 0; c < width; ++c) result[c] += a * pixel[c] + b * right[c] + d * below[c] + e * opposite[c];
    }
  }

  template <int POINTS, int GROUPS, int COUNT>
  static void scatter(const T* __restrict image, T* __restrict image_gradient, const T* __restrict gradient,
                      const Located<T>& at, int64_t i, int64_t, const Steps& steps, int64_t width,
                      T* __restrict dots) {
    const T weights[4] = {at.upper_left[i], at.upper_right[i], at.lower_left[i], at.lower_right[i]};
    const int64_t places[4] = {0, steps.right, steps.below, steps.opposite};
    for (int corner = 0; corner < 4; ++corner) {
      const T* pixel = image + at.place[i] + places[corner];
      T* slot = image_gradient + at.place[i] + places[corner];
      T sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t c = 0; c < width; ++c) sum += pixel[c] * gradient[c];
#pragma omp simd
      for (int64_t c = 0; c < width; ++c) slot[c] += weights[corner] * gradient[c];
      dots[4 * i + corner] = sum;
    }
  }
};

}  // namespace
}  // namespace dcnv3
