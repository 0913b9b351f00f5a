// The operations of lanes.h with AVX2 (eight lanes) and AVX-512 (sixteen lanes).
#pragma once

#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 takes the deliberately undefined registers of its own AVX-512 header for mistakes
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include <immintrin.h>

#include "lanes.h"

namespace dcnv3 {
namespace {

struct Eight {
  using scalar = float;
  using reg = __m256;
  static constexpr int lanes = 8;
  static DCNV3_INLINE reg load(const float* p) { return _mm256_loadu_ps(p); }
  static DCNV3_INLINE void store(float* p, reg a) { _mm256_storeu_ps(p, a); }
  static DCNV3_INLINE __m128i load_halves(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
  static DCNV3_INLINE reg load(const Half* p) { return _mm256_cvtph_ps(load_halves(p)); }
  static DCNV3_INLINE reg load(const BFloat16* p) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load_halves(p)), 16));
  }
  static DCNV3_INLINE void store(Half* p, reg a) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
  }
  static DCNV3_INLINE void store(BFloat16* p, reg a) {
    const __m256i bits = _mm256_castps_si256(a), last = _mm256_and_si256(_mm256_srli_epi32(bits, 16), whole(1));
    const __m256i upper = _mm256_srli_epi32(_mm256_add_epi32(bits, _mm256_add_epi32(last, whole(0x7fff))), 16);
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(a, a, _CMP_UNORD_Q));
    const __m256i rounded = _mm256_blendv_epi8(upper, whole(0x7fc0), nan);
    const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(rounded, rounded), 0xd8);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_castsi256_si128(packed));
  }
  static DCNV3_INLINE __m256i whole(int32_t a) { return _mm256_set1_epi32(a); }
  static DCNV3_INLINE reg set(float a) { return _mm256_set1_ps(a); }
  static DCNV3_INLINE void load_pairs(const float* p, reg& x, reg& y) {
    const reg a = load(p), b = load(p + 8);
    const reg low = _mm256_permute2f128_ps(a, b, 0x20), high = _mm256_permute2f128_ps(a, b, 0x31);
    x = _mm256_shuffle_ps(low, high, 0x88), y = _mm256_shuffle_ps(low, high, 0xdd);
  }
  static DCNV3_INLINE void store_pairs(float* p, reg x, reg y) {
    const reg low = _mm256_unpacklo_ps(x, y), high = _mm256_unpackhi_ps(x, y);
    store(p, _mm256_permute2f128_ps(low, high, 0x20));
    store(p + 8, _mm256_permute2f128_ps(low, high, 0x31));
  }
  static DCNV3_INLINE void load_fours(const float* p, reg& a, reg& b, reg& c, reg& d) {
    const reg r0 = load(p), r1 = load(p + 8), r2 = load(p + 16), r3 = load(p + 24);  // records 01, 23, 45, 67
    const reg s0 = _mm256_permute2f128_ps(r0, r2, 0x20), s1 = _mm256_permute2f128_ps(r0, r2, 0x31);  // 04, 15
    const reg s2 = _mm256_permute2f128_ps(r1, r3, 0x20), s3 = _mm256_permute2f128_ps(r1, r3, 0x31);  // 26, 37
    const reg ab0 = _mm256_unpacklo_ps(s0, s1), cd0 = _mm256_unpackhi_ps(s0, s1);
    const reg ab2 = _mm256_unpacklo_ps(s2, s3), cd2 = _mm256_unpackhi_ps(s2, s3);
    a = _mm256_shuffle_ps(ab0, ab2, 0x44), b = _mm256_shuffle_ps(ab0, ab2, 0xee);
    c = _mm256_shuffle_ps(cd0, cd2, 0x44), d = _mm256_shuffle_ps(cd0, cd2, 0xee);
  }
  static DCNV3_INLINE reg add(reg a, reg b) { return _mm256_add_ps(a, b); }
  static DCNV3_INLINE reg sub(reg a, reg b) { return _mm256_sub_ps(a, b); }
  static DCNV3_INLINE reg mul(reg a, reg b) { return _mm256_mul_ps(a, b); }
  static DCNV3_INLINE reg fma(reg a, reg b, reg c) { return _mm256_fmadd_ps(a, b, c); }
  static DCNV3_INLINE reg larger(reg a, reg b) { return _mm256_max_ps(a, b); }
  static DCNV3_INLINE reg smaller(reg a, reg b) { return _mm256_min_ps(a, b); }
  static DCNV3_INLINE reg floor(reg a) { return _mm256_floor_ps(a); }
  static DCNV3_INLINE reg abs(reg a) { return _mm256_andnot_ps(set(-0.0f), a); }
  static DCNV3_INLINE reg slope(reg u) {
    const reg cell = floor(u), one = set(1.0f);
    return sub(_mm256_and_ps(_mm256_cmp_ps(cell, set(-1.0f), _CMP_EQ_OQ), one),
               _mm256_and_ps(_mm256_cmp_ps(cell, _mm256_setzero_ps(), _CMP_EQ_OQ), one));
  }
  static DCNV3_INLINE reg inverse(reg a) { return _mm256_div_ps(set(1.0f), a); }
  static DCNV3_INLINE reg scaled(reg a, reg n) {
    return mul(a, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtps_epi32(add(n, set(127.0f))), 23)));
  }
  static DCNV3_INLINE float total(reg a) {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  static DCNV3_INLINE void store_place(int32_t* p, reg y, int32_t line, reg x, int32_t pixel) {
    const __m256i row = _mm256_mullo_epi32(_mm256_cvtps_epi32(y), _mm256_set1_epi32(line));
    const __m256i column = _mm256_mullo_epi32(_mm256_cvtps_epi32(x), _mm256_set1_epi32(pixel));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_add_epi32(row, column));
  }
  // adds neighbouring pairs until each half register holds one half of four sums
  static DCNV3_INLINE reg halves(reg a, reg b, reg c, reg d) {
    const reg ab = add(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
    const reg cd = add(_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
    return add(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xee));
  }
  static DCNV3_INLINE void dots(reg (&p)[8], float* const* to) {
    const reg first = halves(p[0], p[1], p[2], p[3]), second = halves(p[4], p[5], p[6], p[7]);
    const reg sums = add(_mm256_permute2f128_ps(first, second, 0x20), _mm256_permute2f128_ps(first, second, 0x31));
    _mm_storeu_ps(to[0], _mm256_castps256_ps128(sums));
    _mm_storeu_ps(to[1], _mm256_extractf128_ps(sums, 1));
  }
};

#if defined(__AVX512F__)
struct Sixteen {
  using scalar = float;
  using reg = __m512;
  static constexpr int lanes = 16;
  static DCNV3_INLINE reg load(const float* p) { return _mm512_loadu_ps(p); }
  static DCNV3_INLINE void store(float* p, reg a) { _mm512_storeu_ps(p, a); }
  static DCNV3_INLINE __m256i load_halves(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
  static DCNV3_INLINE reg load(const Half* p) { return _mm512_cvtph_ps(load_halves(p)); }
  static DCNV3_INLINE reg load(const BFloat16* p) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(load_halves(p)), 16));
  }
  static DCNV3_INLINE void store(Half* p, reg a) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
  }
  static DCNV3_INLINE void store(BFloat16* p, reg a) {
    const __m512i bits = _mm512_castps_si512(a), last = _mm512_and_si512(_mm512_srli_epi32(bits, 16), whole(1));
    const __m512i upper = _mm512_srli_epi32(_mm512_add_epi32(bits, _mm512_add_epi32(last, whole(0x7fff))), 16);
    const __mmask16 nan = _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
    const __m512i rounded = _mm512_mask_mov_epi32(upper, nan, whole(0x7fc0));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(rounded));
  }
  static DCNV3_INLINE __m512i whole(int32_t a) { return _mm512_set1_epi32(a); }
  static DCNV3_INLINE reg set(float a) { return _mm512_set1_ps(a); }
  static DCNV3_INLINE void load_pairs(const float* p, reg& x, reg& y) {
    const reg a = load(p), b = load(p + 16);
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    x = _mm512_permutex2var_ps(a, even, b), y = _mm512_permutex2var_ps(a, odd, b);
  }
  static DCNV3_INLINE void store_pairs(float* p, reg x, reg y) {
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    store(p, _mm512_permutex2var_ps(x, low, y));
    store(p + 16, _mm512_permutex2var_ps(x, high, y));
  }
  static DCNV3_INLINE void load_fours(const float* p, reg& a, reg& b, reg& c, reg& d) {
    reg ac0, bd0, ac1, bd1;  // a and c, b and d of eight records each
    load_pairs(p, ac0, bd0);
    load_pairs(p + 32, ac1, bd1);
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    a = _mm512_permutex2var_ps(ac0, even, ac1), c = _mm512_permutex2var_ps(ac0, odd, ac1);
    b = _mm512_permutex2var_ps(bd0, even, bd1), d = _mm512_permutex2var_ps(bd0, odd, bd1);
  }
  static DCNV3_INLINE reg add(reg a, reg b) { return _mm512_add_ps(a, b); }
  static DCNV3_INLINE reg sub(reg a, reg b) { return _mm512_sub_ps(a, b); }
  static DCNV3_INLINE reg mul(reg a, reg b) { return _mm512_mul_ps(a, b); }
  static DCNV3_INLINE reg fma(reg a, reg b, reg c) { return _mm512_fmadd_ps(a, b, c); }
  static DCNV3_INLINE reg larger(reg a, reg b) { return _mm512_max_ps(a, b); }
  static DCNV3_INLINE reg smaller(reg a, reg b) { return _mm512_min_ps(a, b); }
  static DCNV3_INLINE reg floor(reg a) { return _mm512_roundscale_ps(a, 0x09); }
  static DCNV3_INLINE reg abs(reg a) { return _mm512_abs_ps(a); }
  static DCNV3_INLINE reg slope(reg u) {
    const reg cell = floor(u);
    const reg rising = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(cell, set(-1.0f), _CMP_EQ_OQ), set(1.0f));
    return _mm512_mask_mov_ps(rising, _mm512_cmp_ps_mask(cell, _mm512_setzero_ps(), _CMP_EQ_OQ), set(-1.0f));
  }
  static DCNV3_INLINE reg inverse(reg a) {
    const reg near = _mm512_rcp14_ps(a);  // a division occupies the port that multiplies for 16 cycles
    return fma(near, _mm512_fnmadd_ps(a, near, set(1.0f)), near);
  }
  static DCNV3_INLINE reg scaled(reg a, reg n) { return _mm512_scalef_ps(a, n); }
  static DCNV3_INLINE float total(reg a) {
    return Eight::total(_mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1)));
  }
  static DCNV3_INLINE void store_place(int32_t* p, reg y, int32_t line, reg x, int32_t pixel) {
    const __m512i row = _mm512_mullo_epi32(_mm512_cvtps_epi32(y), _mm512_set1_epi32(line));
    const __m512i column = _mm512_mullo_epi32(_mm512_cvtps_epi32(x), _mm512_set1_epi32(pixel));
    _mm512_storeu_si512(p, _mm512_add_epi32(row, column));
  }
  // adds neighbouring pairs until each quarter register holds one quarter of four sums
  static DCNV3_INLINE reg quarters(reg a, reg b, reg c, reg d) {
    const reg ab = add(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    const reg cd = add(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    return add(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xee));
  }
  static DCNV3_INLINE reg fold(reg a, reg b) {
    return add(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
  }
  static DCNV3_INLINE void dots(reg (&p)[16], float* const* to) {
    const reg first = fold(quarters(p[0], p[1], p[2], p[3]), quarters(p[4], p[5], p[6], p[7]));
    const reg second = fold(quarters(p[8], p[9], p[10], p[11]), quarters(p[12], p[13], p[14], p[15]));
    const reg sums = fold(first, second);
    _mm_storeu_ps(to[0], _mm512_castps512_ps128(sums));
    _mm_storeu_ps(to[1], _mm512_extractf32x4_ps(sums, 1));
    _mm_storeu_ps(to[2], _mm512_extractf32x4_ps(sums, 2));
    _mm_storeu_ps(to[3], _mm512_extractf32x4_ps(sums, 3));
  }
};
#endif

}  // namespace
}  // namespace dcnv3
