// Where the sampling points of a block of pixels lie: first half of every kernel.
//
// A block is a few neighbouring pixels of one result row and a slice of the groups, about 150 points. All its points
// are computed side by side, whatever pixel and group they belong to, because nine points of one group fill no
// vector.
//
// A point gets one pixel index and four weights, without any branch: its 2 x 2 patch of pixels is moved into the
// image, and the weights are the hat function max(0, 1 - |u|) of the distance u to each row and column of the moved
// patch, so a point outside weighs nothing. Any offset is safe, and no load needs a check.
//
// Whole pixels and fractions are kept apart: the position is (pixel + whole part of the grid) + (fraction of the grid
// + scale * offset), and only the second bracket is split into floor and rest. With scale 1 that is exact, so float32
// knows a position in a wide image as well as in a narrow one. A NaN or infinite offset makes the weights NaN.
#pragma once

#include <initializer_list>
#include <type_traits>

#include "lanes.h"
#include "problem.h"
#include "softmax.h"

namespace dcnv3 {
namespace {

// Room for the points of a block: most_points, and a vector that runs over the end. All arrays lie in one object, so
// that the inner loops reach them from one register; the odd length keeps them in different sets of the cache.
constexpr int64_t room = most_points + 16;

template <class T>
struct Located {
  alignas(64) T upper_left[room];  // weights of the four pixels of each point, modulation included
  T upper_right[room], lower_left[room], lower_right[room];
  int32_t place[room];           // where the upper left pixel begins in the image, in numbers
  T across[room], down[room];    // distance to the left column and the upper row of the patch, for gradients only
  const T* modulation;           // after the softmax, if there is one
  int64_t bottom;                // last image row that a patch reaches, for gradients only
};

// Distances in the image, in numbers; an image one pixel wide has both columns of a patch in the same place.
struct Steps {
  int64_t right, below, opposite;
  explicit Steps(const Problem& p)
      : right(p.width > 1 ? p.channels : 0), below(p.height > 1 ? p.width * p.channels : 0), opposite(right + below) {}
};

// Asks for the pixels that the window reaches four rows later: the processor cannot foresee that a row of the image
// ends and the next one begins where the offsets lead. Outside the second-level cache it saves a third of the time.
template <class S>
DCNV3_INLINE void prefetch(const Problem& p, const S* image, int64_t row, int64_t column, int64_t count,
                           int64_t channels) {
  const int64_t y = row * p.stride_h + 4, x = column * p.stride_w;
  if (y >= p.height || x >= p.width) return;
  const int64_t pixels = smaller(count * p.stride_w, p.width - x);
  const S* pixel = image + (y * p.width + x) * p.channels;
  for (int64_t i = 0; i < pixels; ++i, pixel += p.channels)
    for (int64_t c = 0; c < channels; c += 64 / static_cast<int64_t>(sizeof(S))) __builtin_prefetch(pixel + c);
}

template <class V>
DCNV3_INLINE typename V::reg hat(typename V::reg u) {
  using T = typename V::scalar;
  return V::larger(V::set(T(0)), V::sub(V::set(T(1)), V::abs(u)));  // NaN stays NaN
}

// From the left column (upper row) of a patch to the other one: out of reach in an image one pixel wide.
template <class T>
T step(int64_t size) {
  return size > 1 ? T(1) : T(1e30);
}

// S is how offsets and modulations are stored.
template <class V, class S, bool GRADIENTS>
class Points {
 public:
  using T = typename V::scalar;
  using reg = typename V::reg;

  const int64_t slice;     // groups of a block
  const int64_t each;      // points of one pixel of a block
  const int64_t capacity;  // pixels of a block
  Located<T> at;           // one entry for each point (pixel, group, point)

  Points(const Problem& p, int64_t groups)
      : slice(groups), each(groups * p.points()), capacity(each < 160 ? 160 / each : 1), p_(p) {
    // beyond the last point a vector computes with whatever stands there; let it be numbers
    std::memset(offset_, 0, sizeof offset_);
    std::memset(modulation_, 0, sizeof modulation_);
    std::memset(spread_, 0, sizeof spread_);
    for (T* grid : {whole_x_, whole_y_, fraction_x_, fraction_y_}) std::memset(grid, 0, sizeof whole_x_);
    set_grid();
  }

  // Whether `count` pixels of a block are full vectors, one after the other, in the arrays of all groups.
  bool in_place(int64_t count) const {
    return std::is_same<S, T>::value && slice == p_.groups && count * each % V::lanes == 0;
  }

  // Locates the points of pixels [column, column + count) of result row `row` of `image`, groups from `group` on.
  void locate(const S* offset, const S* modulation, int64_t image, int64_t row, int64_t column, int64_t count,
              int64_t group) {
    const int64_t points = p_.points(), all = p_.groups * points;
    const int64_t first = ((image * p_.rows + row) * p_.columns + column) * all + group * points;
    offset += 2 * first, modulation += first;
    if (!in_place(count))
      for (int64_t pixel = 0; pixel < count; ++pixel)
        copy<V>(offset_ + 2 * pixel * each, offset + 2 * pixel * all, 2 * each);
    if (!in_place(count) || p_.softmax)
      for (int64_t pixel = 0; pixel < count; ++pixel)
        copy<V>(modulation_ + pixel * each, modulation + pixel * all, each);
    if (p_.softmax) softmax<V>(modulation_, spread_, count * slice, points);
    at.modulation = in_place(count) && !p_.softmax ? reinterpret_cast<const T*>(modulation) : modulation_;
    place(in_place(count) ? reinterpret_cast<const T*>(offset) : offset_, row, column, count * each);
  }

 private:
  const Problem& p_;
  alignas(64) T whole_x_[room];  // whole part of the grid, and the pixel's place in the block
  T whole_y_[room], fraction_x_[room], fraction_y_[room];
  T offset_[2 * room], modulation_[room], spread_[room];

  void set_grid() {
    const int64_t centre_y = p_.dilation_h * (p_.kernel_h - 1) / 2, centre_x = p_.dilation_w * (p_.kernel_w - 1) / 2;
    int64_t k = 0;
    for (int64_t i = 0; i < p_.kernel_w * p_.kernel_h; ++i) {  // columns of the window one after the other
      const int64_t y = (i % p_.kernel_h) * p_.dilation_h - centre_y, x = (i / p_.kernel_h) * p_.dilation_w - centre_x;
      if (p_.remove_center && x == 0 && y == 0) continue;
      const double scaled_x = p_.scale * static_cast<double>(x), scaled_y = p_.scale * static_cast<double>(y);
      for (int64_t pixel = 0; pixel < capacity; ++pixel)
        for (int64_t group = 0; group < slice; ++group) {
          const int64_t point = (pixel * slice + group) * p_.points() + k;
          whole_x_[point] = static_cast<T>(std::floor(scaled_x) + static_cast<double>(pixel * p_.stride_w));
          whole_y_[point] = static_cast<T>(std::floor(scaled_y));
          fraction_x_[point] = static_cast<T>(scaled_x - std::floor(scaled_x));
          fraction_y_[point] = static_cast<T>(scaled_y - std::floor(scaled_y));
        }
      ++k;
    }
  }

  void place(const T* offset, int64_t row, int64_t column, int64_t count) {
    const int64_t origin_y = p_.dilation_h * (p_.kernel_h - 1) / 2 - p_.padding_h;
    const int64_t origin_x = p_.dilation_w * (p_.kernel_w - 1) / 2 - p_.padding_w;
    const reg start_x = V::set(static_cast<T>(origin_x + column * p_.stride_w));
    const reg start_y = V::set(static_cast<T>(origin_y + row * p_.stride_h));
    const reg last_x = V::set(static_cast<T>(p_.width > 2 ? p_.width - 2 : 0));
    const reg last_y = V::set(static_cast<T>(p_.height > 2 ? p_.height - 2 : 0));
    const reg step_x = V::set(step<T>(p_.width)), step_y = V::set(step<T>(p_.height));
    const reg scale = V::set(static_cast<T>(p_.scale)), none = V::set(T(0));
    const int32_t pixel = static_cast<int32_t>(p_.channels), line = static_cast<int32_t>(p_.width * p_.channels);
    const T* modulation = at.modulation;
    reg bottom = none;
    for (int64_t i = 0; i < count; i += V::lanes) {
      reg x, y;
      V::load_pairs(offset + 2 * i, x, y);
      x = V::fma(scale, x, V::load(fraction_x_ + i));
      y = V::fma(scale, y, V::load(fraction_y_ + i));
      const reg floor_x = V::floor(x), floor_y = V::floor(y);
      const reg cell_x = V::add(V::add(floor_x, V::load(whole_x_ + i)), start_x);
      const reg cell_y = V::add(V::add(floor_y, V::load(whole_y_ + i)), start_y);
      const reg left = V::smaller(V::larger(cell_x, none), last_x);  // NaN becomes 0: a pixel must be in the image
      const reg top = V::smaller(V::larger(cell_y, none), last_y);
      const reg u = V::add(V::sub(cell_x, left), V::sub(x, floor_x));
      const reg v = V::add(V::sub(cell_y, top), V::sub(y, floor_y));
      const reg m = V::load(modulation + i);
      const reg upper = V::mul(m, hat<V>(v)), lower = V::mul(m, hat<V>(V::sub(v, step_y)));
      const reg near = hat<V>(u), far = hat<V>(V::sub(u, step_x));
      V::store(at.upper_left + i, V::mul(upper, near));
      V::store(at.upper_right + i, V::mul(upper, far));
      V::store(at.lower_left + i, V::mul(lower, near));
      V::store(at.lower_right + i, V::mul(lower, far));
      V::store_place(at.place + i, top, line, left, pixel);
      if (GRADIENTS) {
        V::store(at.across + i, u);
        V::store(at.down + i, v);
        bottom = V::larger(bottom, top);
      }
    }
    if (!GRADIENTS) return;
    alignas(64) T rows[V::lanes];
    V::store(rows, bottom);
    at.bottom = 0;
    for (const T lane : rows) at.bottom = larger(at.bottom, static_cast<int64_t>(lane) + 1);
  }
};

}  // namespace
}  // namespace dcnv3
