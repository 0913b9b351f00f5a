// How the work is laid out over threads, for both kernels.
//
// One thread holds 16 bytes of one group of one output pixel: four float32 or eight half numbers. The threads of one
// (pixel, group) are a team: 2 for 16 half channels, 4 for float32, always a power of two that divides a warp, so that
// a team can sum by shuffles. Teams follow each other as groups and pixels do in memory; thus the stores of a warp are
// one contiguous piece. blockIdx.y goes over the images, in steps if there are more than a grid holds.
//
// Every thread of a team finds the sampling points by itself. Handing them around would take five shuffles for a
// point, and shuffles share their pipe with the loads, of which these kernels have too many already.
//
// Groups whose bytes are no multiple of 16 are read number by number (V = 1).
#pragma once

#include <cmath>

#include "kernels.h"
#include "storage.cuh"

namespace dcnv3 {
namespace {

constexpr int threads = 128;  // of a block
constexpr int blocks = 4;     // on a multiprocessor at least: up to 128 registers a thread, with which nothing spills
constexpr int most_team = 32;

// The window where it is known at compile time: its nine points, the ring of eight without the centre, or any other.
enum class Window { nine, ring, any };

// Positions of the window's columns (or rows) relative to the window of pixel 0, whole pixels apart from the rest.
template <class A>
struct Axis {
  A whole[cuda_most_side], rest[cuda_most_side];
};

// All that a kernel needs to know, in the constant memory of its launch.
template <class A>
struct Layout {
  int64_t batch, channels, line;  // numbers of a pixel, of an image row
  int height, width, columns, groups, group_width;
  int pixels;  // of one result image
  int stride_h, stride_w, kernel_h, kernel_w, points, centre;  // centre: the point to leave out, or -1
  int team;
  bool softmax;
  A scale;
  Axis<A> x, y;
};

// Splits scale * (position in the window) into whole pixels and the rest in double precision.
template <class A>
void set_axis(Axis<A>& axis, int64_t kernel, int64_t dilation, int64_t padding, double scale) {
  const int64_t centre = dilation * (kernel - 1) / 2;
  for (int64_t i = 0; i < kernel; ++i) {
    const double at = scale * static_cast<double>(i * dilation - centre), below = std::floor(at);
    axis.whole[i] = static_cast<A>(below + static_cast<double>(centre - padding));
    axis.rest[i] = static_cast<A>(at - below);
  }
}

template <class A>
Layout<A> layout_of(const Problem& p, int vector) {
  Layout<A> l{};
  l.batch = p.batch, l.channels = p.channels, l.line = p.width * p.channels;
  l.height = static_cast<int>(p.height), l.width = static_cast<int>(p.width), l.columns = static_cast<int>(p.columns);
  l.groups = static_cast<int>(p.groups), l.group_width = static_cast<int>(p.group_width());
  l.pixels = static_cast<int>(p.rows * p.columns);
  l.stride_h = static_cast<int>(p.stride_h), l.stride_w = static_cast<int>(p.stride_w);
  l.kernel_h = static_cast<int>(p.kernel_h), l.kernel_w = static_cast<int>(p.kernel_w);
  l.points = static_cast<int>(p.points());
  l.centre = p.remove_center ? l.points / 2 : -1;
  l.team = 1;
  while (l.team < most_team && l.team * vector < l.group_width) l.team *= 2;
  l.softmax = p.softmax, l.scale = static_cast<A>(p.scale);
  set_axis(l.x, p.kernel_w, p.dilation_w, p.padding_w, p.scale);
  set_axis(l.y, p.kernel_h, p.dilation_h, p.padding_h, p.scale);
  return l;
}

inline Window window_of(const Problem& p) {
  if (p.kernel_h != 3 || p.kernel_w != 3) return Window::any;
  return p.remove_center ? Window::ring : Window::nine;
}

// The place of a thread within an image; the threads beyond the last team compute along with it and write nothing.
struct Seat {
  int pixel, group, row, column, member;
  bool taken;

  template <class A>
  DCNV3_DEVICE explicit Seat(const Layout<A>& l) {
    const int64_t all = static_cast<int64_t>(l.pixels) * l.groups * l.team;
    const int64_t seat = static_cast<int64_t>(blockIdx.x) * threads + threadIdx.x;
    taken = seat < all;
    const unsigned mine = static_cast<unsigned>(taken ? seat : all - l.team + seat % l.team), team = mine / l.team;
    member = static_cast<int>(mine % l.team);
    group = static_cast<int>(team % l.groups);
    pixel = static_cast<int>(team / l.groups);
    row = pixel / l.columns;
    column = pixel % l.columns;
  }
};

// Blocks for one thread per seat; images beyond the largest grid are taken in steps.
inline dim3 grid_of(int64_t seats, int64_t batch) {
  const int64_t most = 65535;
  return dim3(static_cast<unsigned>((seats + threads - 1) / threads), static_cast<unsigned>(smaller(batch, most)));
}

// Starts a kernel; a function instead of <<< >>>, so that the tests can run the same source on a CPU.
template <class... Parameters, class... Arguments>
int launch(void (*kernel)(Parameters...), dim3 grid, void* stream, const Arguments&... arguments) {
  cudaLaunchConfig_t configuration{};
  configuration.gridDim = grid;
  configuration.blockDim = dim3(threads);
  configuration.stream = static_cast<cudaStream_t>(stream);
  return static_cast<int>(cudaLaunchKernelEx(&configuration, kernel, arguments...));
}

}  // namespace
}  // namespace dcnv3
