// What happens to the channels of one group at its sampling points: the innermost loops of both kernels.
//
// Fixed holds the channels of a group in a fixed number of registers; 16 channels are one AVX-512 register, or two of
// AVX2. Any takes every other width and double precision, with loops that the compiler turns into vectors.
//
// POINTS is the number of points of a group when it is known at compile time (9, where unrolling pays), else 0. S is how the image and the
// incoming gradient are stored; sums are of the type that is computed with.
#pragma once

#include "points.h"

namespace dcnv3 {
namespace {

template <class V, int REGS>
struct Fixed {
  using T = typename V::scalar;
  using reg = typename V::reg;
  static constexpr int unrolled = 9;
  static constexpr int together = V::lanes / 4;  // points whose dot products are summed up in one go

  // Writes the weighted sum of the points of one group, from point `i` on.
  template <int POINTS, class S>
  static DCNV3_INLINE void gather(const S* image, const Located<T>& at, int64_t i, int64_t points, const Steps& steps,
                                  int64_t, S* result) {
    reg sum[4][REGS];
    for (auto& corner : sum)
      for (reg& part : corner) part = V::set(T(0));
    const int64_t end = i + (POINTS ? POINTS : points);
    for (; i < end; ++i) {
      const S* pixel = image + at.place[i];
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
  template <int POINTS, int GROUPS, int COUNT, class S>
  static DCNV3_INLINE void scatter(const S* __restrict image, T* __restrict image_gradient,
                                   const S* __restrict gradient, const Located<T>& at, int64_t i, int64_t points,
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
      const S* pixel = image + place;
      T* slot = image_gradient + place;
      const S* incoming = gradient + group * width;
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
  static constexpr int unrolled = 0;
  static constexpr int together = 1;

  // In runs of `most` channels, whose sums stay in the nearest cache.
  template <int POINTS, class S>
  static void gather(const S* image, const Located<T>& at, int64_t i, int64_t points, const Steps& steps,
                     int64_t width, S* __restrict result) {
    constexpr int64_t most = 64;
    T sum[most];
    for (int64_t first = 0; first < width; first += most, image += most, result += most) {
      const int64_t count = smaller(most, width - first);
      for (int64_t c = 0; c < count; ++c) sum[c] = T(0);
      for (int64_t k = i; k < i + points; ++k) {
        const S* pixel = image + at.place[k];
        const S *right = pixel + steps.right, *below = pixel + steps.below, *opposite = pixel + steps.opposite;
        const T a = at.upper_left[k], b = at.upper_right[k], d = at.lower_left[k], e = at.lower_right[k];
#pragma omp simd
        for (int64_t c = 0; c < count; ++c)
          sum[c] += a * T(pixel[c]) + b * T(right[c]) + d * T(below[c]) + e * T(opposite[c]);
      }
      for (int64_t c = 0; c < count; ++c) result[c] = static_cast<S>(sum[c]);
    }
  }

  template <int POINTS, int GROUPS, int COUNT, class S>
  static void scatter(const S* __restrict image, T* __restrict image_gradient, const S* __restrict gradient,
                      const Located<T>& at, int64_t i, int64_t, const Steps& steps, int64_t width,
                      T* __restrict dots) {
    const T weights[4] = {at.upper_left[i], at.upper_right[i], at.lower_left[i], at.lower_right[i]};
    const int64_t places[4] = {0, steps.right, steps.below, steps.opposite};
    for (int corner = 0; corner < 4; ++corner) {
      const S* pixel = image + at.place[i] + places[corner];
      T* slot = image_gradient + at.place[i] + places[corner];
      T sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t c = 0; c < width; ++c) sum += T(pixel[c]) * T(gradient[c]);
#pragma omp simd
      for (int64_t c = 0; c < width; ++c) slot[c] += weights[corner] * T(gradient[c]);
      dots[4 * i + corner] = sum;
    }
  }
};

}  // namespace
}  // namespace dcnv3
