// Result of the convolution: each thread gathers its 16 bytes from the four pixels of every point.
//
// The kernel is bound by the loads of the first-level cache, 36 for a (pixel, group), all independent of each other;
// those outside the image are left out. Three points, a column of the usual window, are unrolled: twelve loads under
// way hide their latency, and with all nine the compiler keeps so many that it runs out of registers.
//
// Where the modulation goes through a softmax, the points weigh exp(logit - largest logit), and the sum of these
// weights divides the finished result, so that no row of weights has to be kept.
#pragma once

#include "points.cuh"

namespace dcnv3 {
namespace {

template <class T, int V, Window W>
__global__ void __launch_bounds__(threads, blocks)
    forward_kernel(const Layout<Arithmetic<T>> l, const T* __restrict__ value, const T* __restrict__ offset,
                   const T* __restrict__ modulation, T* __restrict__ result) {
  using A = Arithmetic<T>;
  const Seat seat(l);
  if (!seat.taken) return;
  for (int64_t image = blockIdx.y; image < l.batch; image += gridDim.y) {
    const int64_t pixel = image * l.pixels + seat.pixel, row = (pixel * l.groups + seat.group) * l.points;
    const A most = l.softmax ? largest(modulation + row, points_of<W>(l)) : A(0);
    const T* pixels = value + image * l.height * l.line + static_cast<int64_t>(seat.group) * l.group_width;
    T* out = result + pixel * l.channels + static_cast<int64_t>(seat.group) * l.group_width;
    for (int c = seat.member * V; c < l.group_width; c += l.team * V) {
      A sum[V] = {}, total = 0;
      each_point_by_columns<W>(l, [&](int k, int column, int line) {
        const Point<A> point(l, seat, offset + (row + k) * 2, column, line);
        const A logit = wide(modulation[row + k]), m = l.softmax ? exp(logit - most) : logit;
        total += m;
        const Patch<T, V> patch(l, point, pixels + point.place(l) + c);
        A weight[4];
        point.weigh(m, weight);
#pragma unroll
        for (int i = 0; i < V; ++i) {
          A part = weight[0] * wide(patch.corner[0].part[i]);
#pragma unroll
          for (int corner = 1; corner < 4; ++corner)
            part = fma(weight[corner], wide(patch.corner[corner].part[i]), part);
          sum[i] += part;
        }
      });
      const A share = l.softmax ? A(1) / total : A(1);
#pragma unroll
      for (int i = 0; i < V; ++i) sum[i] *= share;
      store(out + c, sum);
    }
  }
}

}  // namespace
}  // namespace dcnv3
