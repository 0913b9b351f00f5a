// bfloat16 of the emulated CUDA: the upper half of a float, rounded to nearest even; NaN stays NaN.
#pragma once

#include <stdint.h>
#include <string.h>

struct __nv_bfloat16 {
  uint16_t bits;
};
inline float __bfloat162float(__nv_bfloat16 a) {
  const uint32_t bits = static_cast<uint32_t>(a.bits) << 16;
  float number;
  memcpy(&number, &bits, sizeof number);
  return number;
}
inline __nv_bfloat16 __float2bfloat16_rn(float a) {
  uint32_t bits;
  memcpy(&bits, &a, sizeof bits);
  if (a != a) return {0x7fff};
  return {static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}
