// A stand-in for the CUDA toolkit that runs kernels on a CPU, so that their arithmetic can be checked without a GPU.
//
// It is found in place of the toolkit's header of this name and compiles the very same kernel sources with a plain C++
// compiler. Blocks run one after the other. The threads of a block are fibers: each runs until it meets a shuffle, where
// it leaves its number and waits for the other lanes of its warp. The fibers of a block are started in an order that
// depends on emulation::seed, so that atomic additions happen in another order for another seed.
//
// A shuffle aborts the program where a lane of its mask has left the kernel, and an atomic of four floats where its
// address is not aligned, which a GPU would not say.
#pragma once

#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <functional>
#include <random>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

using cudaStream_t = struct CUstream_st*;
using cudaError_t = int;
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
};

inline dim3 gridDim, blockDim, blockIdx, threadIdx;

namespace emulation {

inline unsigned seed = 0;

struct Fiber {
  jmp_buf place;  // where it goes on
  std::vector<char> stack;
  dim3 thread;
  bool waiting = false, done = false;
  unsigned mask = 0;
  double left = 0;  // the number it brought to the shuffle; a float fits without loss
  double received = 0;
  int partner = 0;
};

inline std::vector<Fiber> fibers;
inline ucontext_t maker;
inline jmp_buf scheduler;
inline Fiber* current = nullptr;
inline std::function<void()> body;

inline void fail(const char* what) {
  fprintf(stderr, "emulated kernel: %s\n", what);
  abort();
}

// Leaves the current fiber until the scheduler comes back to it. A jump saves no signal mask and so needs no system
// call; a context is only used to get onto the stack of a fiber for the first time.
inline void pause() {
  if (_setjmp(current->place) == 0) _longjmp(scheduler, 1);
  threadIdx = current->thread;
}

inline void resume(Fiber& fiber) {
  current = &fiber;
  if (_setjmp(scheduler) == 0) _longjmp(fiber.place, 1);
}

inline void live() {
  if (_setjmp(current->place) == 0) setcontext(&maker);
  for (;;) {
    threadIdx = current->thread;
    body();
    current->done = true;
    pause();
  }
}

inline void make(unsigned count) {
  fibers = std::vector<Fiber>(count);
  for (unsigned i = 0; i < count; ++i) {
    Fiber& fiber = fibers[i];
    fiber.stack.resize(64 << 10);
    fiber.thread = dim3(i);
    ucontext_t context;
    getcontext(&context);
    context.uc_stack.ss_sp = fiber.stack.data();
    context.uc_stack.ss_size = fiber.stack.size();
    context.uc_link = nullptr;
    makecontext(&context, live, 0);
    current = &fiber;
    swapcontext(&maker, &context);
  }
}

// Lets the lanes of a warp that have all come to the same shuffle go on.
inline bool exchange(size_t first) {
  const size_t last = first + 32 < fibers.size() ? first + 32 : fibers.size();
  unsigned waiting = 0, wanted = 0;
  for (size_t i = first; i < last; ++i)
    if (fibers[i].waiting) waiting |= 1u << (i - first), wanted |= fibers[i].mask;
  if (!waiting) return false;
  if (last - first < 32) wanted &= (1u << (last - first)) - 1;
  if (waiting != wanted) fail("a lane of the mask does not take part in a shuffle");
  for (size_t i = first; i < last; ++i)
    if (fibers[i].waiting) fibers[i].received = fibers[first + static_cast<size_t>(fibers[i].partner)].left;
  for (size_t i = first; i < last; ++i) fibers[i].waiting = false;
  return true;
}

inline void run_block(std::mt19937& random) {
  std::vector<size_t> order(fibers.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  for (size_t i = order.size(); seed && i > 1; --i) std::swap(order[i - 1], order[random() % i]);
  for (Fiber& fiber : fibers) fiber.waiting = fiber.done = false;
  for (bool more = true; more;) {
    more = false;
    for (const size_t i : order)
      if (!fibers[i].done && !fibers[i].waiting) resume(fibers[i]);
    for (size_t first = 0; first < fibers.size(); first += 32) more = exchange(first) || more;
  }
}

inline void run(dim3 grid, dim3 block, std::function<void()> kernel) {
  gridDim = grid, blockDim = block, body = std::move(kernel);
  if (fibers.size() != block.x) make(block.x);
  std::mt19937 random(seed);
  const unsigned blocks = grid.x * grid.y;
  for (unsigned i = 0; i < blocks; ++i) {
    const unsigned turned = seed ? (i + seed) % blocks : i;
    blockIdx = dim3(turned % grid.x, turned / grid.x, 0);
    run_block(random);
  }
}

template <class T>
T shuffle(unsigned mask, T number, int partner) {
  current->left = number, current->mask = mask, current->partner = partner, current->waiting = true;
  pause();
  return static_cast<T>(current->received);
}

}  // namespace emulation

template <class T>
T __shfl_xor_sync(unsigned mask, T number, int lanes) {
  return emulation::shuffle(mask, number, static_cast<int>(threadIdx.x % 32) ^ lanes);
}

template <class T>
T __ldg(const T* at) {
  return *at;
}

template <class T>
T atomicAdd(T* at, T number) {
  const T before = *at;
  *at = before + number;
  return before;
}
inline float4 atomicAdd(float4* at, float4 number) {
  if (reinterpret_cast<uintptr_t>(at) % 16) emulation::fail("an atomic of four floats is not aligned");
  const float4 before = *at;
  *at = {before.x + number.x, before.y + number.y, before.z + number.z, before.w + number.w};
  return before;
}
inline unsigned atomicOr(unsigned* at, unsigned bits) {
  const unsigned before = *at;
  *at = before | bits;
  return before;
}
inline unsigned atomicMax(unsigned* at, unsigned number) {
  const unsigned before = *at;
  *at = before > number ? before : number;
  return before;
}

template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* launch, void (*kernel)(Parameters...),
                               const Arguments&... arguments) {
  emulation::run(launch->gridDim, launch->blockDim, [&] { kernel(arguments...); });
  return 0;
}

inline cudaError_t cudaMemsetAsync(void* at, int byte, size_t count, cudaStream_t) {
  memset(at, byte, count);
  return 0;
}
inline const char* cudaGetErrorString(cudaError_t) { return "no error"; }
