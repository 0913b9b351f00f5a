// Gradients. A thread holds 16 bytes of the incoming gradient of its (pixel, group) and goes over the points once:
//
//   the four pixels of a point, read before anything is added, give four dot products with the incoming gradient;
//   they get it added, times their weight (sums.cuh);
//   the dot products are linear in the channels, so what follows from them, the gradients of the modulation and of the
//   offset in x and y, is three numbers, which the team adds up by shuffles without atomics.
//
// The softmax has the gradient p (g - sum of p g). With a known window the nine g stay in registers. Otherwise a first
// round over the points finds the sum, so that no window is too large.
#pragma once

#include "points.cuh"
#include "sums.cuh"

namespace dcnv3 {
namespace {

template <class A>
DCNV3_DEVICE A team_sum(A a, int team) {
  for (int lane = team / 2; lane; lane /= 2) a += __shfl_xor_sync(0xffffffffu, a, lane);
  return a;
}

// Gradients of the modulation and of the position of one point, from its four dot products.
template <class A>
struct Slopes {
  A modulation, x, y;

  DCNV3_DEVICE Slopes(const Point<A>& point, const A (&dot)[4]) {
    const A upper = fma(point.u, dot[1] - dot[0], dot[0]), lower = fma(point.u, dot[3] - dot[2], dot[2]);
    modulation = fma(point.v, lower, (A(1) - point.v) * upper);
    x = fma(point.v, dot[3] - dot[2], (A(1) - point.v) * (dot[1] - dot[0]));
    y = lower - upper;
  }
};

// One (pixel, group) of one image, for the thread that holds some of its channels.
template <class T, int V, Window W, class Sums>
class Gradients {
 public:
  using A = Arithmetic<T>;

  DCNV3_DEVICE Gradients(const Layout<A>& l, const Seat& seat, int64_t image, const T* value, const T* offset,
                         const T* gradient, const Sums& sums)
      : l_(l), seat_(seat), sums_(sums), start_(image * l.height * l.line + int64_t(seat.group) * l.group_width),
        pixels_(value + start_), offset_(offset),
        gradient_(gradient + (image * l.pixels + seat.pixel) * l.channels + int64_t(seat.group) * l.group_width) {
    if (W != Window::any && seat.member * V < l.group_width) take(seat.member * V);
  }

  // Dot products of the pixels of a point with the gradient; adds weight * gradient to them if SCATTER.
  template <bool SCATTER>
  DCNV3_DEVICE Slopes<A> point(int64_t row, A weight, int column, int line) {
    const Point<A> point(l_, seat_, offset_ + row * 2, column, line);
    A dot[4] = {}, share[4];
    point.weigh(weight, share);
    for (int c = seat_.member * V; c < l_.group_width; c += l_.team * V) {
      if constexpr (W == Window::any) take(c);
      const int64_t place = point.place(l_) + c;
      const Patch<T, V> patch(l_, point, pixels_ + place);
#pragma unroll
      for (int corner = 0; corner < 4; ++corner)
#pragma unroll
        for (int i = 0; i < V; ++i)
          dot[corner] = fma(incoming_[i], wide(patch.corner[corner].part[i]), dot[corner]);
      if (SCATTER && seat_.taken)
        point.each_corner(l_, [&](int corner, int64_t step) {
          A addend[V];
#pragma unroll
          for (int i = 0; i < V; ++i) addend[i] = share[corner] * incoming_[i];
          sums_.add_to(start_ + place + step, addend);
        });
      if constexpr (W != Window::any) break;  // a team holds all channels of such a group at once
    }
    return Slopes<A>(point, dot);
  }

 private:
  const Layout<A>& l_;
  const Seat& seat_;
  const Sums& sums_;
  const int64_t start_;  // where the group begins in the image
  const T *pixels_, *offset_, *gradient_;
  A incoming_[V] = {};

  DCNV3_DEVICE void take(int c) {
    const Pack<T, V> pack = load<V>(gradient_ + c);
#pragma unroll
    for (int i = 0; i < V; ++i) incoming_[i] = wide(pack.part[i]);
  }
};

// The gradients of the points of one group are written by the members of its team in turn.
template <class T, int V, Window W, class Sums>
__global__ void __launch_bounds__(threads, blocks)
    backward_kernel(const Layout<Arithmetic<T>> l, const T* __restrict__ value, const T* __restrict__ offset,
                    const T* __restrict__ modulation, const T* __restrict__ gradient, Sums sums,
                    T* __restrict__ offset_gradient, T* __restrict__ modulation_gradient) {
  using A = Arithmetic<T>;
  const Seat seat(l);
  for (int64_t image = blockIdx.y; image < l.batch; image += gridDim.y) {
    const int64_t row = ((image * l.pixels + seat.pixel) * l.groups + seat.group) * l.points;
    const Modulation<T, W> weights(l, modulation + row);
    sums.begin(image);
    Gradients<T, V, W, Sums> gradients(l, seat, image, value, offset, gradient, sums);

    // sum of p g: taken of the differences to the first g, as the p do not add up to one exactly
    A along = 0, first = 0;
    const auto follow = [&](int k, A m, A g) {
      if (k == 0) first = g;
      along = fma(m, g - first, along);
    };
    if (W == Window::any && l.softmax) {
      each_point<W>(l, [&](int k, int column, int line) {
        const A m = weights[k];
        follow(k, m, gradients.template point<false>(row + k, m, column, line).modulation);
      });
      along = team_sum(first + along, l.team);
    }

    constexpr int kept = W == Window::any ? 1 : 9;
    A of_modulation[kept];
    int turn = 0;
    each_point<W>(l, [&](int k, int column, int line) {
      const A m = weights[k];
      const Slopes<A> slopes = gradients.template point<true>(row + k, m, column, line);
      const A g = team_sum(slopes.modulation, l.team);
      const A pair[2] = {l.scale * m * team_sum(slopes.x, l.team), l.scale * m * team_sum(slopes.y, l.team)};
      const bool mine = seat.taken && turn == seat.member;
      turn = turn + 1 == l.team ? 0 : turn + 1;
      if (mine) store<T>(offset_gradient + (row + k) * 2, pair);
      if constexpr (W == Window::any) {
        const A single[1] = {l.softmax ? m * (g - along) : g};
        if (mine) store<T>(modulation_gradient + row + k, single);
      } else {
        of_modulation[k] = g;
        follow(k, m, g);
      }
    });
    if constexpr (W != Window::any) {
      along += first;
      turn = 0;
      each_point<W>(l, [&](int k, int, int) {
        const A single[1] = {l.softmax ? weights[k] * (of_modulation[k] - along) : of_modulation[k]};
        if (seat.taken && turn == seat.member) store<T>(modulation_gradient + row + k, single);
        turn = turn + 1 == l.team ? 0 : turn + 1;
      });
    }
  }
}

}  // namespace
}  // namespace dcnv3
