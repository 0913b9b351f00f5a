// Numbers as they are stored and as they are computed with: half types are stored in two bytes and computed in float.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstring>
#include <type_traits>

#define DCNV3_DEVICE __device__ __forceinline__

namespace dcnv3 {
namespace {

template <class T>
using Arithmetic = std::conditional_t<std::is_same_v<T, double>, double, float>;

DCNV3_DEVICE float wide(float a) { return a; }
DCNV3_DEVICE double wide(double a) { return a; }
DCNV3_DEVICE float wide(__half a) { return __half2float(a); }
DCNV3_DEVICE float wide(__nv_bfloat16 a) { return __bfloat162float(a); }

DCNV3_DEVICE void narrow(float a, float& to) { to = a; }
DCNV3_DEVICE void narrow(double a, double& to) { to = a; }
DCNV3_DEVICE void narrow(float a, __half& to) { to = __float2half_rn(a); }
DCNV3_DEVICE void narrow(float a, __nv_bfloat16& to) { to = __float2bfloat16_rn(a); }

// V neighbouring numbers, read and written in one piece of up to 16 bytes.
template <class T, int V>
struct alignas(sizeof(T) * V) Pack {
  T part[V];
};

template <int V, class T>
DCNV3_DEVICE Pack<T, V> load(const T* at) {
  Pack<T, V> pack;
  if constexpr (sizeof pack == 16) {
    const uint4 raw = __ldg(reinterpret_cast<const uint4*>(at));  // through the read-only path of the cache
    memcpy(&pack, &raw, sizeof pack);
  } else {
    pack = *reinterpret_cast<const Pack<T, V>*>(at);
  }
  return pack;
}

template <class T, int V>
DCNV3_DEVICE void store(T* at, const Arithmetic<T> (&numbers)[V]) {
  Pack<T, V> pack;
  for (int i = 0; i < V; ++i) narrow(numbers[i], pack.part[i]);
  *reinterpret_cast<Pack<T, V>*>(at) = pack;
}

}  // namespace
}  // namespace dcnv3
