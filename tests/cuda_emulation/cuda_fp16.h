// Half precision of the emulated CUDA: the compiler's own type rounds to nearest even, as the GPU does.
#pragma once

struct __half {
  _Float16 number;
};
inline float __half2float(__half a) { return static_cast<float>(a.number); }
inline __half __float2half_rn(float a) { return {static_cast<_Float16>(a)}; }
