// Where the image gradient is added up: thousands of points may reach one pixel, from any block, in any order.
//
// Floating sums go to device memory by atomic additions, four floats in one instruction where the processor can (from
// sm_90 on). They happen in the second-level cache and nothing waits for them. Shared memory would not do better: it
// adds floats by compare-and-swap, and learned offsets may leave any tile. Half types add up in float and are rounded
// once at the end. The last bits depend on the order, which differs from run to run.
//
// Fixed sums give the same bits every time: integer addition has no rounding, so the order does not matter. The unit is
// a power of two, for each image as small as its largest possible sum allows: no addend exceeds
// 2^(exponent of the largest gradient + exponent of the largest modulation), and a pixel gets at most one from each
// point. With 2^16 points in an image an addend is rounded at 2^-45 of the largest possible one, and at 2^-34 with
// 2^27 points, where float32 would round the sum at 2^-24. An addend that is not finite has no such number: it marks
// its place, and a marked place becomes NaN.
#pragma once

#include "layout.cuh"

namespace dcnv3 {
namespace {

// ---- floating sums

DCNV3_DEVICE void add(float* to, float a) { atomicAdd(to, a); }
DCNV3_DEVICE void add(double* to, double a) { atomicAdd(to, a); }

DCNV3_DEVICE void add_four(float* to, float a, float b, float c, float d) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
  add(to, a), add(to + 1, b), add(to + 2, c), add(to + 3, d);
#elif defined(__CUDA_ARCH__)
  // the instruction that returns nothing; atomicAdd would have one that sends the old numbers back
  asm volatile("red.relaxed.gpu.global.add.v4.f32 [%0], {%1, %2, %3, %4};"
               :
               : "l"(__cvta_generic_to_global(to)), "f"(a), "f"(b), "f"(c), "f"(d)
               : "memory");
#else
  atomicAdd(reinterpret_cast<float4*>(to), make_float4(a, b, c, d));  // on the CPU, in tests
#endif
}

template <class A>
struct FloatingSums {
  A* sums;

  template <int V>
  DCNV3_DEVICE void add_to(int64_t place, const A (&addend)[V]) const {
    if constexpr (V % 4 == 0) {
#pragma unroll
      for (int i = 0; i < V; i += 4)
        add_four(sums + place + i, addend[i], addend[i + 1], addend[i + 2], addend[i + 3]);
    } else {
      for (int i = 0; i < V; ++i) add(sums + place + i, addend[i]);
    }
  }
  DCNV3_DEVICE void begin(int64_t) {}
};

// ---- fixed sums

// Exponents are kept as positive numbers, so that zero means "all zeros".
constexpr int exponent_bias = 4096;
constexpr int largest_gradient = 0, largest_modulation = 1;

// Two factors whose product is 2^power, because one may leave the range of a float.
template <class A>
struct Factor {
  A first, second;
  DCNV3_DEVICE explicit Factor(int power) : first(ldexp(A(1), power / 2)), second(ldexp(A(1), power - power / 2)) {}
  DCNV3_DEVICE A operator*(A a) const { return a * first * second; }
};

template <class A>
struct FixedSums {
  unsigned long long* sums;
  unsigned* marks;           // one bit for each place
  const unsigned* exponents;  // of the largest gradient and modulation of each image
  int count_bits;            // log2 of the number of points of an image, rounded up
  bool softmax;
  A unit_first = 1, unit_second = 1;

  // Largest power of two by which all sums of this image can be multiplied without leaving 2^62. Beyond the range of
  // Factor, which an image without any gradient reaches, all addends are too small for A anyway.
  DCNV3_DEVICE int power(int64_t image) const {
    constexpr int most = std::is_same_v<A, double> ? 2000 : 250;
    const int gradient = static_cast<int>(exponents[2 * image + largest_gradient]) - exponent_bias;
    const int modulation = static_cast<int>(exponents[2 * image + largest_modulation]) - exponent_bias;
    const int power = 61 - count_bits - gradient - (softmax ? 1 : modulation);
    return power > most ? most : power < -most ? -most : power;
  }
  DCNV3_DEVICE void begin(int64_t image) {
    const Factor<A> unit(power(image));
    unit_first = unit.first, unit_second = unit.second;
  }
  template <int V>
  DCNV3_DEVICE void add_to(int64_t place, const A (&addend)[V]) const {
    for (int i = 0; i < V; ++i) {
      const A scaled = addend[i] * unit_first * unit_second;
      if (fabs(scaled) < A(4.6e18))
        atomicAdd(sums + place + i, static_cast<unsigned long long>(static_cast<long long>(rint(scaled))));
      else
        atomicOr(marks + (place + i) / 32, 1u << (place + i) % 32);
    }
  }
};

// Largest exponent of the finite numbers of each image, into every second number of `exponents`, which are zero before.
template <class T>
__global__ void __launch_bounds__(threads)
    exponents_kernel(int64_t batch, int64_t size, const T* __restrict__ numbers, unsigned* exponents) {
  for (int64_t image = blockIdx.y; image < batch; image += gridDim.y) {
    Arithmetic<T> most = 0;
    const int64_t step = static_cast<int64_t>(gridDim.x) * threads;
    for (int64_t i = static_cast<int64_t>(blockIdx.x) * threads + threadIdx.x; i < size; i += step) {
      const Arithmetic<T> a = fabs(wide(numbers[image * size + i]));
      if (a - a == 0) most = fmax(most, a);
    }
    for (int lane = 16; lane; lane /= 2) most = fmax(most, __shfl_xor_sync(0xffffffffu, most, lane));
    int exponent = 0;
    frexp(most, &exponent);
    if (threadIdx.x % 32 == 0 && most > 0)
      atomicMax(exponents + 2 * image, static_cast<unsigned>(exponent + exponent_bias));
  }
}

// Rounds finished sums to the storage type.
template <class T>
__global__ void __launch_bounds__(threads) round_kernel(int64_t count, FloatingSums<float> from, T* to) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * threads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * threads + threadIdx.x; i < count; i += step)
    narrow(from.sums[i], to[i]);
}

template <class T>
__global__ void __launch_bounds__(threads)
    round_fixed_kernel(int64_t batch, int64_t size, FixedSums<Arithmetic<T>> from, T* to) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * threads;
  for (int64_t image = blockIdx.y; image < batch; image += gridDim.y) {
    const Factor<double> unit(-from.power(image));
    for (int64_t i = static_cast<int64_t>(blockIdx.x) * threads + threadIdx.x; i < size; i += step) {
      const int64_t place = image * size + i;
      const double sum = unit * static_cast<double>(static_cast<long long>(from.sums[place]));
      const bool marked = from.marks[place / 32] >> place % 32 & 1;
      narrow(static_cast<Arithmetic<T>>(marked ? NAN : sum), to[place]);
    }
  }
}

}  // namespace
}  // namespace dcnv3
