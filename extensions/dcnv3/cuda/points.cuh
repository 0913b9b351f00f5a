// Where the sampling points of one (pixel, group) lie, and how much they weigh.
//
// As on the CPU, whole pixels are kept apart from fractions: a position is (pixel + whole part of the window) + (rest
// of the window + scale * offset), and only the second bracket is split into floor and fraction. With scale 1 that is
// exact, so float32 knows a position in a wide image as well as in a narrow one, and on a whole pixel the fraction is
// zero and the derivative that to the right.
//
// A pixel outside the image is not read. A NaN or infinite offset has no pixel: its fraction is NaN, and it is put on
// pixel (0, 0) so that the NaN shows in the result.
#pragma once

#include "layout.cuh"

namespace dcnv3 {
namespace {

// Calls body(k, column, row) for each point k at that column and row of the window, one after the other.
template <class A, class Body>
DCNV3_DEVICE void each_point_in_turn(const Layout<A>& l, const Body& body) {
  int i = 0, k = 0;
  for (int column = 0; column < l.kernel_w; ++column)
    for (int row = 0; row < l.kernel_h; ++row)
      if (i++ != l.centre) body(k++, column, row);
}

// The same with a known window in one straight line.
template <Window W, class A, class Body>
DCNV3_DEVICE void each_point(const Layout<A>& l, const Body& body) {
  if constexpr (W == Window::any) return each_point_in_turn(l, body);
  constexpr int centre = W == Window::ring ? 4 : 9;
#pragma unroll
  for (int i = 0; i < 9; ++i)
    if (i != centre) body(i - (i > centre), i / 3, i % 3);
}

// The same with a known window in straight lines of three.
template <Window W, class A, class Body>
DCNV3_DEVICE void each_point_by_columns(const Layout<A>& l, const Body& body) {
  if constexpr (W == Window::any) return each_point_in_turn(l, body);
  constexpr int centre = W == Window::ring ? 4 : 9;
#pragma unroll 1
  for (int column = 0; column < 3; ++column)
#pragma unroll
    for (int row = 0; row < 3; ++row) {
      const int i = column * 3 + row;
      if (i != centre) body(i - (i > centre), column, row);
    }
}

// Number of points, at compile time where it is known.
template <Window W, class A>
DCNV3_DEVICE int points_of(const Layout<A>& l) {
  return W == Window::nine ? 9 : W == Window::ring ? 8 : l.points;
}

template <class T>
DCNV3_DEVICE Arithmetic<T> largest(const T* row, int count) {
  Arithmetic<T> most = wide(row[0]);
#pragma unroll
  for (int k = 1; k < count; ++k) most = fmax(most, wide(row[k]));
  return most;
}

// Modulation of the points of one group, after the softmax if there is one. Where the window is known the row lies in
// registers; otherwise each number is read, and its exponential taken, when it is needed.
template <class T, Window W>
class Modulation {
 public:
  using A = Arithmetic<T>;
  static constexpr int points = W == Window::nine ? 9 : 8;

  DCNV3_DEVICE Modulation(const Layout<A>& l, const T* row) {
#pragma unroll
    for (int k = 0; k < points; ++k) row_[k] = wide(row[k]);
    if (!l.softmax) return;
    A most = row_[0], sum = 0;
#pragma unroll
    for (int k = 1; k < points; ++k) most = fmax(most, row_[k]);
#pragma unroll
    for (int k = 0; k < points; ++k) sum += row_[k] = exp(row_[k] - most);
    const A share = A(1) / sum;
#pragma unroll
    for (int k = 0; k < points; ++k) row_[k] *= share;
  }

  DCNV3_DEVICE A operator[](int k) const { return row_[k]; }

 private:
  A row_[points];
};

template <class T>
class Modulation<T, Window::any> {
 public:
  using A = Arithmetic<T>;

  DCNV3_DEVICE Modulation(const Layout<A>& l, const T* row) : row_(row), softmax_(l.softmax) {
    if (!softmax_) return;
    most_ = largest(row, l.points);
    A sum = 0;
    for (int k = 0; k < l.points; ++k) sum += exp(wide(row[k]) - most_);
    share_ = A(1) / sum;
  }

  DCNV3_DEVICE A operator[](int k) const {
    return softmax_ ? exp(wide(row_[k]) - most_) * share_ : wide(row_[k]);
  }

 private:
  const T* row_;
  bool softmax_;
  A most_ = 0, share_ = 1;
};

// A point between four pixels.
template <class A>
struct Point {
  A u, v;                         // fraction of a pixel to the right of column x and below row y
  int x, y;                       // may lie outside
  bool left, right, upper, lower;  // whether these columns and rows are in the image

  template <class T>
  DCNV3_DEVICE Point(const Layout<A>& l, const Seat& seat, const T* offset, int column, int row) {
    const Pack<T, 2> shift = load<2>(offset);
    const A to_x = fma(l.scale, wide(shift.part[0]), l.x.rest[column]);
    const A to_y = fma(l.scale, wide(shift.part[1]), l.y.rest[row]);
    const A floor_x = floor(to_x), floor_y = floor(to_y);
    u = to_x - floor_x, v = to_y - floor_y;
    const bool known = u + v == u + v;  // neither is NaN
    const A at_x = floor_x + (l.x.whole[column] + static_cast<A>(seat.column * l.stride_w));
    const A at_y = floor_y + (l.y.whole[row] + static_cast<A>(seat.row * l.stride_h));
    x = known ? static_cast<int>(fmin(fmax(at_x, A(-2)), static_cast<A>(l.width))) : 0;
    y = known ? static_cast<int>(fmin(fmax(at_y, A(-2)), static_cast<A>(l.height))) : 0;
    left = static_cast<unsigned>(x) < static_cast<unsigned>(l.width);
    right = static_cast<unsigned>(x + 1) < static_cast<unsigned>(l.width);
    upper = static_cast<unsigned>(y) < static_cast<unsigned>(l.height);
    lower = static_cast<unsigned>(y + 1) < static_cast<unsigned>(l.height);
  }

  // Where the upper left pixel begins, in numbers from the beginning of the image.
  DCNV3_DEVICE int64_t place(const Layout<A>& l) const { return (y * l.width + x) * l.channels; }

  // Weights of the four pixels: upper left, upper right, lower left, lower right.
  DCNV3_DEVICE void weigh(A factor, A (&weight)[4]) const {
    const A above = factor * (A(1) - v), below = factor * v;
    weight[0] = above * (A(1) - u), weight[1] = above * u, weight[2] = below * (A(1) - u), weight[3] = below * u;
  }

  // Calls body(corner, step) for each of the four pixels in the image, with its distance from the upper left one.
  template <class Body>
  DCNV3_DEVICE void each_corner(const Layout<A>& l, const Body& body) const {
    if (upper && left) body(0, int64_t(0));
    if (upper && right) body(1, l.channels);
    if (lower && left) body(2, l.line);
    if (lower && right) body(3, l.line + l.channels);
  }
};

// V numbers of each of the four pixels of a point, zero outside the image: four loads under way at once.
template <class T, int V>
struct Patch {
  Pack<T, V> corner[4] = {};

  template <class A>
  DCNV3_DEVICE Patch(const Layout<A>& l, const Point<A>& point, const T* upper_left) {
    point.each_corner(l, [&](int i, int64_t step) { corner[i] = load<V>(upper_left + step); });
  }
};

}  // namespace
}  // namespace dcnv3
