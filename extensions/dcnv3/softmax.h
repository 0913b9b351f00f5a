// Softmax of short rows: the modulation logits of the points of one group.
//
// A row of nine fills no vector, so exponentials are taken flat over many rows. Logits are small as a rule, and a
// softmax of small logits needs no subtraction of the largest one; only rows beyond `safe` are shifted. Whether a row
// is shifted depends on that row alone, so its result does not depend on the rows beside it.
#pragma once

#include "lanes.h"

namespace dcnv3 {
namespace {

// e^x for x <= 40, relative error about 1e-7: e^x = 2^n e^r with |r| <= ln(2) / 2, then a polynomial of r.
template <class V>
DCNV3_INLINE typename V::reg exponential(typename V::reg x) {
  using reg = typename V::reg;
  const auto c = [](float a) { return V::set(a); };
  x = V::larger(c(-87.0f), x);  // below, the result would be denormal; NaN stays
  const reg n = V::floor(V::fma(x, c(1.44269504f), c(0.5f)));
  const reg r = V::fma(n, c(2.12194440e-4f), V::fma(n, c(-0.693359375f), x));  // ln 2 in two parts, the first exact
  reg p = V::fma(c(1.9875691500e-4f), r, c(1.3981999507e-3f));
  p = V::fma(p, r, c(8.3334519073e-3f));
  p = V::fma(p, r, c(4.1665795894e-2f));
  p = V::fma(p, r, c(1.6666665459e-1f));
  p = V::fma(p, r, c(5.0000001201e-1f));
  return V::scaled(V::fma(V::mul(r, r), p, V::add(r, c(1.0f))), n);
}

template <>
DCNV3_INLINE double exponential<Single<double>>(double x) {
  return std::exp(x);
}

// Writes one number over a row; rows are written in order, so it may run over into the next one.
template <class V>
DCNV3_INLINE void fill_row(typename V::scalar* row, int64_t width, typename V::scalar number) {
  for (int64_t k = 0; k < width; k += V::lanes) V::store(row + k, V::set(number));
}

template <class T>
DCNV3_INLINE T row_sum(const T* row, int64_t width) {
  T sum = row[0];
  for (int64_t k = 1; k < width; ++k) sum += row[k];
  return sum;
}

// Subtracts from each row with a logit of more than `safe` (or NaN) its largest logit.
template <class T>
void shift_rows(T* logits, int64_t rows, int64_t width, T safe) {
  for (T* row = logits; row < logits + rows * width; row += width) {
    T most = row[0];
    bool small = true;
    for (int64_t k = 0; k < width; ++k) {
      most = row[k] > most ? row[k] : most;
      small = small && std::fabs(row[k]) <= safe;
    }
    if (!small)
      for (int64_t k = 0; k < width; ++k) row[k] -= most;
  }
}

// Replaces `rows` rows of `width` logits by their softmax; `spread` is scratch of the same length. Both can be read
// and written up to 16 numbers beyond the end.
template <class V>
void softmax(typename V::scalar* __restrict logits, typename V::scalar* __restrict spread, int64_t rows,
             int64_t width) {
  using T = typename V::scalar;
  const T safe = T(40);
  const int64_t count = rows * width;
  for (int64_t i = count; i < (count + V::lanes - 1) / V::lanes * V::lanes; ++i) logits[i] = T(0);
  typename V::reg most = V::set(T(0));
  for (int64_t i = 0; i < count; i += V::lanes) most = V::larger(V::abs(V::load(logits + i)), most);
  T size[V::lanes];
  V::store(size, most);
  bool small = true;
  for (const T s : size) small = small && s <= safe;
  if (!small) shift_rows(logits, rows, width, safe);
  for (int64_t i = 0; i < count; i += V::lanes) V::store(logits + i, exponential<V>(V::load(logits + i)));
  for (int64_t start = 0; start < count; start += width)
    fill_row<V>(spread + start, width, T(1) / row_sum(logits + start, width));
  for (int64_t i = 0; i < count; i += V::lanes)
    V::store(logits + i, V::mul(V::load(logits + i), V::load(spread + i)));
}

}  // namespace
}  // namespace dcnv3
