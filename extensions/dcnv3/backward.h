// Gradients of image, offsets and modulation.
//
// A task is one image and one slice of its groups. No other task touches those channels of the image gradient, so the
// scattered sums need no atomics, and their order, pixel after pixel and point after point for each group, is the same
// for any number of threads and slices: so are all bits of the result. Within a pixel the points go group by group for
// each place of the window: the pixels of neighbouring points of one group overlap, and adding twice to one cache line
// in a row would wait for the first addition.
//
// Each point gives four dot products of a pixel with the incoming gradient. The gradients of its offset and modulation
// follow from these four numbers, for all points of a block side by side.
#pragma once

#include <vector>

#include "channels.h"

namespace dcnv3 {
namespace {

// V holds points side by side, C the channels of one group, S is how everything is stored.
template <class V, class C, class S, int POINTS>
class Backward {
 public:
  using T = typename V::scalar;
  using reg = typename V::reg;

  Backward(const Problem& p, int64_t groups) : p_(p), steps_(p), points_(p.points()), located_(p, groups) {
    std::memset(dots_, 0, sizeof dots_);
  }

  // Gradients of one image for the groups of this slice from `first` on.
  void image(int64_t image, int64_t first, const S* value, const S* offset, const S* modulation, const S* gradient,
             S* value_gradient, S* offset_gradient, S* modulation_gradient) {
    const int64_t width = p_.group_width(), start = image * p_.height * p_.width * p_.channels + first * width;
    if (std::is_same<S, T>::value) {
      accumulate(image, first, value + start, offset, modulation, gradient, reinterpret_cast<T*>(value_gradient + start),
                 offset_gradient, modulation_gradient);
      return;
    }
    // sums of many small parts need more digits than the storage has
    sums_.resize(static_cast<size_t>(p_.height * p_.width * p_.channels));
    accumulate(image, first, value + start, offset, modulation, gradient, sums_.data() + first * width,
               offset_gradient, modulation_gradient);
    for (int64_t pixel = 0; pixel < p_.height * p_.width; ++pixel)
      copy<V>(value_gradient + start + pixel * p_.channels, sums_.data() + first * width + pixel * p_.channels,
              located_.slice * width);
  }

 private:
  const Problem& p_;
  const Steps steps_;
  const int64_t points_;
  Points<V, S, true> located_;
  alignas(64) T dots_[4 * room];
  T offset_[2 * room], modulation_[room], spread_[room];
  std::vector<T> sums_;  // gradient of one image, where storage is smaller

  // As `image`, with `value` and `value_gradient` at the first channel of the slice.
  void accumulate(int64_t image, int64_t first, const S* value, const S* offset, const S* modulation, const S* gradient,
                  T* value_gradient, S* offset_gradient, S* modulation_gradient) {
    const int64_t width = p_.group_width(), channels = located_.slice * width;
    int64_t cleared = 0;  // rows of the image gradient: set to zero just before they are needed, while in cache
    for (int64_t row = 0; row < p_.rows; ++row)
      for (int64_t column = 0; column < p_.columns; column += located_.capacity) {
        const int64_t count = smaller(located_.capacity, p_.columns - column);
        const int64_t pixel = (image * p_.rows + row) * p_.columns + column;
        prefetch(p_, value, row, column, count, channels);
        located_.locate(offset, modulation, image, row, column, count, first);
        cleared = clear(value_gradient, cleared, smaller(located_.at.bottom + 1, p_.height));
        scatter(value, value_gradient, gradient + pixel * p_.channels + first * width, count);
        const int64_t at = (pixel * p_.groups + first) * points_;
        write(count, offset_gradient + 2 * at, modulation_gradient + at);
      }
    clear(value_gradient, cleared, p_.height);
  }

  void scatter(const S* image, T* image_gradient, const S* gradient, int64_t count) {
    const int64_t slice = located_.slice;
    for (int64_t pixel = 0; pixel < count; ++pixel, gradient += p_.channels) {
      const int64_t i = pixel * located_.each;
      if (C::together >= 4 && slice % 4 == 0)
        scatter_pixel<C::together >= 4 ? 4 : 1>(image, image_gradient, gradient, i);
      else if (C::together >= 2 && slice % 2 == 0)
        scatter_pixel<C::together >= 2 ? 2 : 1>(image, image_gradient, gradient, i);
      else
        scatter_pixel<1>(image, image_gradient, gradient, i);
    }
  }

  // GROUPS neighbouring groups at a time, and as many points of each as sum up in one go.
  template <int GROUPS>
  DCNV3_INLINE void scatter_pixel(const S* image, T* image_gradient, const S* gradient, int64_t i) {
    constexpr int count = C::together / GROUPS;
    const int64_t points = POINTS ? POINTS : points_, width = p_.group_width(), slice = located_.slice;
    int64_t k = 0;
    for (; k + count <= points; k += count)
      for (int64_t group = 0; group < slice; group += GROUPS) {
        const int64_t channel = group * width;
        C::template scatter<POINTS, GROUPS, count>(image + channel, image_gradient + channel, gradient + channel,
                                                   located_.at, i + group * points + k, points, steps_, width, dots_);
      }
    for (; k < points; ++k)
      for (int64_t group = 0; group < slice; group += GROUPS) {
        const int64_t channel = group * width;
        C::template scatter<POINTS, GROUPS, 1>(image + channel, image_gradient + channel, gradient + channel,
                                               located_.at, i + group * points + k, points, steps_, width, dots_);
      }
  }

  // Sets rows [from, to) of the image gradient to zero, if they are not yet; returns how many rows are done.
  int64_t clear(T* image, int64_t from, int64_t to) const {
    const int64_t channels = located_.slice * p_.group_width();
    if (from >= to) return from;
    for (int64_t pixel = from * p_.width; pixel < to * p_.width; ++pixel)
      zero<V>(image + pixel * p_.channels, channels);
    return to;
  }

  // Writes the gradients of offsets and modulation of `count` pixels.
  void write(int64_t count, S* offset_gradient, S* modulation_gradient) {
    const bool in_place = located_.in_place(count);
    T* const offset = in_place ? reinterpret_cast<T*>(offset_gradient) : offset_;
    T* const modulation = in_place ? reinterpret_cast<T*>(modulation_gradient) : modulation_;
    derive(count * located_.each, offset, p_.softmax ? modulation_ : modulation);
    if (p_.softmax) through_softmax(count * located_.slice, modulation);
    if (in_place) return;
    const int64_t all = p_.groups * points_, each = located_.each;
    for (int64_t i = 0; i < count; ++i) {
      copy<V>(offset_gradient + 2 * i * all, offset_ + 2 * i * each, 2 * each);
      copy<V>(modulation_gradient + i * all, modulation_ + i * each, each);
    }
  }

  // From the four dot products of each point to the gradients of its offset and modulation.
  void derive(int64_t count, T* __restrict offset, T* __restrict modulation) const {
    const T *__restrict dots = dots_, *__restrict across = located_.at.across, *__restrict down = located_.at.down;
    const T* __restrict weight = located_.at.modulation;
    const reg step_x = V::set(step<T>(p_.width)), step_y = V::set(step<T>(p_.height));
    const reg scale = V::set(static_cast<T>(p_.scale));
    for (int64_t i = 0; i < count; i += V::lanes) {
      reg upper_left, upper_right, lower_left, lower_right;
      V::load_fours(dots + 4 * i, upper_left, upper_right, lower_left, lower_right);
      const reg u = V::load(across + i), v = V::load(down + i);
      const reg next_u = V::sub(u, step_x), next_v = V::sub(v, step_y);
      const reg near = hat<V>(u), far = hat<V>(next_u), above = hat<V>(v), below = hat<V>(next_v);
      const reg upper = V::fma(near, upper_left, V::mul(far, upper_right));
      const reg lower = V::fma(near, lower_left, V::mul(far, lower_right));
      V::store(modulation + i, V::fma(above, upper, V::mul(below, lower)));
      const reg slope_near = V::slope(u), slope_far = V::slope(next_u);
      const reg upper_x = V::fma(slope_near, upper_left, V::mul(slope_far, upper_right));
      const reg lower_x = V::fma(slope_near, lower_left, V::mul(slope_far, lower_right));
      const reg x = V::fma(above, upper_x, V::mul(below, lower_x));
      const reg y = V::fma(V::slope(v), upper, V::mul(V::slope(next_v), lower));
      const reg factor = V::mul(scale, V::load(weight + i));
      V::store_pairs(offset + 2 * i, V::mul(factor, x), V::mul(factor, y));
    }
  }

  // Gradient of the logits: p (g - sum of p g over the row).
  void through_softmax(int64_t rows, T* result) {
    const T* __restrict probability = located_.at.modulation;
    T *__restrict gradient = modulation_, *__restrict spread = spread_;
    const int64_t count = rows * points_;
    for (int64_t i = 0; i < count; i += V::lanes)
      V::store(gradient + i, V::mul(V::load(probability + i), V::load(gradient + i)));
    for (int64_t start = 0; start < count; start += points_)
      fill_row<V>(spread + start, points_, row_sum(gradient + start, points_));
    for (int64_t i = 0; i < count; i += V::lanes)
      V::store(result + i, V::sub(V::load(gradient + i), V::mul(V::load(probability + i), V::load(spread + i))));
  }
};

template <class V, class C, class S, int POINTS>
void backward_tasks(const Problem& p, const S* value, const S* offset, const S* modulation, const S* gradient,
                    S* value_gradient, S* offset_gradient, S* modulation_gradient, int64_t slices, int64_t begin,
                    int64_t end) {
  const int64_t groups = p.groups / slices, part = slice_of(p, groups);
  Backward<V, C, S, POINTS> backward(p, part);
  for (int64_t task = begin; task < end; ++task) {
    const int64_t image = task / slices, first = (task % slices) * groups;
    for (int64_t group = first; group < first + groups; group += part)
      backward.image(image, group, value, offset, modulation, gradient, value_gradient, offset_gradient,
                     modulation_gradient);
  }
}

template <class V, class C, class S>
void backward(const Problem& p, const S* value, const S* offset, const S* modulation, const S* gradient,
              S* value_gradient, S* offset_gradient, S* modulation_gradient, int64_t slices, int64_t begin,
              int64_t end) {
  const auto run = p.points() == 9 ? &backward_tasks<V, C, S, C::unrolled> : &backward_tasks<V, C, S, 0>;
  run(p, value, offset, modulation, gradient, value_gradient, offset_gradient, modulation_gradient, slices, begin, end);
}

}  // namespace
}  // namespace dcnv3
