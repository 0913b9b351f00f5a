// Result of the convolution: locate the points of a block of pixels, then gather their channels.
//
// For each pixel and group the inner loop (channels.h) is nine points of four pixels each: four loads, four broadcast
// weights and four multiply-adds on independent sums. With 16 channels that is two loads for every multiply-add, so the
// load ports of the processor are the limit, about 40 cycles for a pixel and group with AVX-512.
#pragma once

#include "channels.h"

namespace dcnv3 {
namespace {

// V holds points side by side, C the channels of one group, S is how everything is stored.
template <class V, class C, class S, int POINTS>
void forward_rows(const Problem& p, const S* value, const S* offset, const S* modulation, S* result, int64_t begin,
                  int64_t end) {
  const int64_t slice = slice_of(p, p.groups);
  const int64_t points = p.points(), width = p.group_width();
  Points<V, S, false> located(p, slice);
  const Steps steps(p);
  for (int64_t line = begin; line < end; ++line) {
    const int64_t image = line / p.rows, row = line % p.rows;
    const S* pixels = value + image * p.height * p.width * p.channels;
    for (int64_t first = 0; first < p.groups; first += slice)
      for (int64_t column = 0; column < p.columns; column += located.capacity) {
        const int64_t count = smaller(located.capacity, p.columns - column);
        prefetch(p, pixels + first * width, row, column, count, slice * width);
        located.locate(offset, modulation, image, row, column, count, first);
        S* out = result + (line * p.columns + column) * p.channels + first * width;
        int64_t i = 0;
        for (int64_t pixel = 0; pixel < count; ++pixel, out += p.channels)
          for (int64_t group = 0; group < slice; ++group, i += points)
            C::template gather<POINTS>(pixels + (first + group) * width, located.at, i, points, steps, width,
                                       out + group * width);
      }
  }
}

template <class V, class C, class S>
void forward(const Problem& p, const S* value, const S* offset, const S* modulation, S* result, int64_t begin,
             int64_t end) {
  const auto run = p.points() == 9 ? &forward_rows<V, C, S, C::unrolled> : &forward_rows<V, C, S, 0>;
  run(p, value, offset, modulation, result, begin, end);
}

}  // namespace
}  // namespace dcnv3
