// What the CUDA kernels offer to their binding: plain pointers in, a CUDA error code out, one set for each storage type.
//
// Pointers are to device memory, contiguous and aligned to 16 bytes; `stream` is a cudaStream_t. Nothing waits for the
// device. `workspace` is scratch of `workspace(problem, deterministic)` bytes for the image gradient.
#pragma once

#include "../problem.h"

namespace dcnv3 {

struct CudaKernels {
  int (*forward)(const Problem&, const void* value, const void* offset, const void* modulation, void* result,
                 void* stream);
  int64_t (*workspace)(const Problem&, bool deterministic);
  int (*backward)(const Problem&, const void* value, const void* offset, const void* modulation, const void* gradient,
                  void* value_gradient, void* offset_gradient, void* modulation_gradient, void* workspace,
                  bool deterministic, void* stream);
};

extern const CudaKernels cuda_single, cuda_double, cuda_half, cuda_bfloat16;

// Text of an error code.
const char* cuda_error(int code);

// Limits: rows and columns are exact in a float, pixels and the threads of one image are counted in 32 bits, and the
// window's positions travel with the launch. The batch and the number of channels have none.
constexpr int64_t cuda_most_side = 64;
inline bool cuda_takes(const Problem& p) {
  const int64_t most = (int64_t(1) << 31) - 1, side = int64_t(1) << 22;
  const bool window = p.kernel_h <= cuda_most_side && p.kernel_w <= cuda_most_side;
  const bool image = p.height < side && p.width < side && p.rows < side && p.columns < side;
  return window && image && (p.height + 4) * (p.width + 4) <= most && p.rows * p.columns * p.groups <= most / 16 &&
         p.channels <= most;
}

}  // namespace dcnv3
