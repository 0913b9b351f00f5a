// A few vector operations under common names, so that the kernels are written once and compiled for each processor.
//
// Here: Single (one number, for double) and Four (compiler vectors, any processor). lanes_x86.h adds Eight (AVX2) and
// Sixteen (AVX-512). Every type has
//   reg, lanes              the register and how many numbers it holds
//   load, store, set        from and to unaligned memory, of any type of storage; one number in all lanes
//   load_pairs, store_pairs `lanes` records (x, y) as one register of x and one of y
//   load_fours              `lanes` records of four numbers as four registers
//   add, sub, mul, fma      fma(a, b, c) = a * b + c, in one rounding where the processor has it
//   larger, smaller         of two; the second argument when one of them is NaN
//   floor, abs
//   slope                   derivative of the hat max(0, 1 - |u|) to the right: 1 on [-1, 0), -1 on [0, 1), else 0
//   inverse                 1 / a of ordinary numbers, to the last digit or two
//   scaled                  a times 2 to whole numbers from -126 to 127
//   total                   the sum over the lanes
//   store_place             y * line + x * pixel of whole numbers, as 32-bit integers
//   dots                    the sums over the lanes of `lanes` registers, four sums to each address
// Everything stands in an unnamed namespace: an inline function shared between object files could otherwise be linked
// in its AVX-512 form into the code for older processors.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "storage.h"

namespace dcnv3 {
namespace {

template <class T>
struct Single {
  using scalar = T;
  using reg = T;
  static constexpr int lanes = 1;
  static DCNV3_INLINE reg load(const T* p) { return *p; }
  static DCNV3_INLINE void store(T* p, reg a) { *p = a; }
  static DCNV3_INLINE reg set(T a) { return a; }
  static DCNV3_INLINE void load_pairs(const T* p, reg& x, reg& y) { x = p[0], y = p[1]; }
  static DCNV3_INLINE void store_pairs(T* p, reg x, reg y) { p[0] = x, p[1] = y; }
  static DCNV3_INLINE void load_fours(const T* p, reg& a, reg& b, reg& c, reg& d) {
    a = p[0], b = p[1], c = p[2], d = p[3];
  }
  static DCNV3_INLINE reg add(reg a, reg b) { return a + b; }
  static DCNV3_INLINE reg sub(reg a, reg b) { return a - b; }
  static DCNV3_INLINE reg mul(reg a, reg b) { return a * b; }
  static DCNV3_INLINE reg fma(reg a, reg b, reg c) { return a * b + c; }
  static DCNV3_INLINE reg larger(reg a, reg b) { return a > b ? a : b; }
  static DCNV3_INLINE reg smaller(reg a, reg b) { return a < b ? a : b; }
  static DCNV3_INLINE reg floor(reg a) { return std::floor(a); }
  static DCNV3_INLINE reg abs(reg a) { return std::fabs(a); }
  static DCNV3_INLINE reg slope(reg u) { return T((u >= -1) & (u < 0)) - T((u >= 0) & (u < 1)); }
  static DCNV3_INLINE void store_place(int32_t* p, reg y, int32_t line, reg x, int32_t pixel) {
    *p = static_cast<int32_t>(y) * line + static_cast<int32_t>(x) * pixel;
  }
};

// Copies `count` numbers, from one type of storage to another if need be; for the short runs of a few groups a call of
// memcpy costs more than the copy. The last vector overlaps the one before it, so that nothing beyond the end is touched.
template <class V, class To, class From>
DCNV3_INLINE void copy(To* to, const From* from, int64_t count) {
  if (count < V::lanes) {
    for (int64_t i = 0; i < count; ++i) to[i] = static_cast<To>(static_cast<typename V::scalar>(from[i]));
    return;
  }
  for (int64_t i = 0; i + V::lanes < count; i += V::lanes) V::store(to + i, V::load(from + i));
  V::store(to + count - V::lanes, V::load(from + count - V::lanes));
}

// Sets `count` numbers to zero, likewise.
template <class V>
DCNV3_INLINE void zero(typename V::scalar* to, int64_t count) {
  const typename V::reg none = V::set(0);
  if (count < V::lanes) {
    for (int64_t i = 0; i < count; ++i) to[i] = 0;
    return;
  }
  for (int64_t i = 0; i + V::lanes < count; i += V::lanes) V::store(to + i, none);
  V::store(to + count - V::lanes, none);
}

struct Four {
  using scalar = float;
  typedef float reg __attribute__((vector_size(16)));
  typedef int32_t whole __attribute__((vector_size(16)));
  static constexpr int lanes = 4;
  static DCNV3_INLINE reg load(const float* p) {
    reg a;
    std::memcpy(&a, p, sizeof a);
    return a;
  }
  static DCNV3_INLINE void store(float* p, reg a) { std::memcpy(p, &a, sizeof a); }
  template <class S>
  static DCNV3_INLINE reg load(const S* p) {
    return reg{p[0], p[1], p[2], p[3]};
  }
  template <class S>
  static DCNV3_INLINE void store(S* p, reg a) {
    for (int i = 0; i < lanes; ++i) p[i] = static_cast<S>(a[i]);
  }
  static DCNV3_INLINE reg set(float a) { return reg{a, a, a, a}; }
  static DCNV3_INLINE void load_pairs(const float* p, reg& x, reg& y) {
    reg a = load(p), b = load(p + 4);
    x = reg{a[0], a[2], b[0], b[2]}, y = reg{a[1], a[3], b[1], b[3]};
  }
  static DCNV3_INLINE void store_pairs(float* p, reg x, reg y) {
    store(p, reg{x[0], y[0], x[1], y[1]});
    store(p + 4, reg{x[2], y[2], x[3], y[3]});
  }
  static DCNV3_INLINE void transpose(reg& a, reg& b, reg& c, reg& d) {
    reg e = {a[0], b[0], c[0], d[0]}, f = {a[1], b[1], c[1], d[1]};
    reg g = {a[2], b[2], c[2], d[2]}, h = {a[3], b[3], c[3], d[3]};
    a = e, b = f, c = g, d = h;
  }
  static DCNV3_INLINE void load_fours(const float* p, reg& a, reg& b, reg& c, reg& d) {
    a = load(p), b = load(p + 4), c = load(p + 8), d = load(p + 12);
    transpose(a, b, c, d);
  }
  static DCNV3_INLINE reg add(reg a, reg b) { return a + b; }
  static DCNV3_INLINE reg sub(reg a, reg b) { return a - b; }
  static DCNV3_INLINE reg mul(reg a, reg b) { return a * b; }
  static DCNV3_INLINE reg fma(reg a, reg b, reg c) { return a * b + c; }
  static DCNV3_INLINE reg choose(whole mask, reg a, reg b) {
    return reinterpret_cast<reg>((mask & reinterpret_cast<whole>(a)) | (~mask & reinterpret_cast<whole>(b)));
  }
  static DCNV3_INLINE reg larger(reg a, reg b) { return a > b ? a : b; }
  static DCNV3_INLINE reg smaller(reg a, reg b) { return a < b ? a : b; }
  static DCNV3_INLINE reg abs(reg a) {
    const int32_t bits = 0x7fffffff;
    return reinterpret_cast<reg>(reinterpret_cast<whole>(a) & whole{bits, bits, bits, bits});
  }
  static DCNV3_INLINE reg floor(reg a) {
    // from 2^23 on every float is whole, and NaN stays NaN; neither may reach the conversion to integers
    const whole small = abs(a) < set(8388608.0f);
    const reg cut = convert(__builtin_convertvector(choose(small, a, set(0.0f)), whole));
    return choose(small, cut - choose(cut > a, set(1.0f), set(0.0f)), a);
  }
  static DCNV3_INLINE reg convert(whole a) { return __builtin_convertvector(a, reg); }
  static DCNV3_INLINE reg slope(reg u) {
    const reg one = set(1.0f), none = set(0.0f);
    return choose((u >= -one) & (u < none), one, none) - choose((u >= none) & (u < one), one, none);
  }
  static DCNV3_INLINE reg inverse(reg a) { return set(1.0f) / a; }
  static DCNV3_INLINE reg scaled(reg a, reg n) {
    return a * reinterpret_cast<reg>(__builtin_convertvector(n + set(127.0f), whole) << 23);
  }
  static DCNV3_INLINE float total(reg a) { return (a[0] + a[1]) + (a[2] + a[3]); }
  static DCNV3_INLINE void store_place(int32_t* p, reg y, int32_t line, reg x, int32_t pixel) {
    const whole place = __builtin_convertvector(y, whole) * line + __builtin_convertvector(x, whole) * pixel;
    std::memcpy(p, &place, sizeof place);
  }
  static DCNV3_INLINE void dots(reg (&p)[4], float* const* to) {
    transpose(p[0], p[1], p[2], p[3]);
    store(to[0], (p[0] + p[1]) + (p[2] + p[3]));
  }
};

}  // namespace
}  // namespace dcnv3
