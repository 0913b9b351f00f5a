// Numbers of half the size: how images, offsets and modulations may be stored. All arithmetic is in float.
//
// These types are known to all object files, so their functions must not exist outside of their callers: a linker would
// keep one of them, perhaps the one for a processor that is not there.
#pragma once

#include <cstdint>
#include <cstring>

#define DCNV3_INLINE inline __attribute__((always_inline))

namespace dcnv3 {

DCNV3_INLINE uint32_t bits_of(float a) {
  uint32_t bits;
  std::memcpy(&bits, &a, sizeof bits);
  return bits;
}

DCNV3_INLINE float float_of(uint32_t bits) {
  float a;
  std::memcpy(&a, &bits, sizeof a);
  return a;
}

// The upper half of a float.
struct BFloat16 {
  uint16_t bits;
  BFloat16() = default;
  DCNV3_INLINE explicit BFloat16(float a) {
    const uint32_t whole = bits_of(a);
    // to the nearest, ties to even; a NaN must not be rounded up to infinity
    bits = a != a ? 0x7fc0 : static_cast<uint16_t>((whole + 0x7fff + ((whole >> 16) & 1)) >> 16);
  }
  DCNV3_INLINE operator float() const { return float_of(static_cast<uint32_t>(bits) << 16); }
};

// IEEE half precision: five bits of exponent, ten of mantissa.
struct Half {
  uint16_t bits;
  Half() = default;
  DCNV3_INLINE explicit Half(float a) {
    const uint32_t sign = (bits_of(a) >> 16) & 0x8000, size = bits_of(a) & 0x7fffffff;
    uint32_t half;
    if (size > 0x7f800000) {
      half = 0x7e00;  // NaN
    } else if (size >= 0x477ff000) {
      half = 0x7c00;  // rounds to infinity
    } else if (size >= 0x38800000) {
      half = (size - 0x38000000 + 0xfff + ((size >> 13) & 1)) >> 13;
    } else {
      // denormal: adding one half aligns the mantissa, and the processor rounds
      half = bits_of(float_of(size) + 0.5f) - bits_of(0.5f);
    }
    bits = static_cast<uint16_t>(sign | half);
  }
  DCNV3_INLINE operator float() const {
    const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16, size = bits & 0x7fff;
    if (size >= 0x7c00) return float_of(sign | 0x7f800000 | (size & 0x3ff) << 13);
    // the exponent is 112 too small: one multiplication repairs it, for denormals too
    return float_of(sign | bits_of(float_of(size << 13) * 5.192296858534828e33f));
  }
};

}  // namespace dcnv3
