// Half precision of the emulated CUDA, rounded to nearest even, in plain C++: not every compiler has such a type.
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

struct __half {
  uint16_t bits;  // sign, five bits of exponent, ten of fraction
};

inline float __half2float(__half a) {
  const int exponent = a.bits >> 10 & 31, fraction = a.bits & 1023;
  const float size = exponent == 0    ? ldexpf(static_cast<float>(fraction), -24)
                     : exponent == 31 ? (fraction ? NAN : INFINITY)
                                      : ldexpf(static_cast<float>(1024 + fraction), exponent - 25);
  return a.bits >> 15 ? -size : size;
}

inline __half __float2half_rn(float a) {
  const uint16_t sign = signbit(a) ? 0x8000 : 0;
  if (a != a) return {0x7fff};
  if (a == 0) return {sign};
  if (fabsf(a) >= 65520.0f) return {static_cast<uint16_t>(sign | 0x7c00)};
  int exponent;
  frexpf(a, &exponent);  // the number is below 2^exponent
  const int unit = (exponent > -13 ? exponent : -13) - 11;
  // in units of the last bit, rounded; a carry runs into the exponent as it should
  const long steps = lrintf(ldexpf(fabsf(a), -unit));
  return {static_cast<uint16_t>(sign | (steps + (static_cast<long>(unit + 24) << 10)))};
}
