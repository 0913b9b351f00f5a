// The emulated kernels for ctypes: the storage type by its place in a list.
#include <cuda_runtime.h>

#include "../../extensions/dcnv3/cuda/kernels.h"

namespace {

const dcnv3::CudaKernels& kernels(int type) {
  const dcnv3::CudaKernels* const all[] = {&dcnv3::cuda_single, &dcnv3::cuda_double, &dcnv3::cuda_half,
                                           &dcnv3::cuda_bfloat16};
  return *all[type];
}

}  // namespace

extern "C" {

int sslpdl_takes(const dcnv3::Problem* p) { return dcnv3::cuda_takes(*p); }

int sslpdl_forward(int type, const dcnv3::Problem* p, const void* value, const void* offset, const void* modulation,
                   void* result) {
  return kernels(type).forward(*p, value, offset, modulation, result, nullptr);
}

int64_t sslpdl_workspace(int type, const dcnv3::Problem* p, bool deterministic) {
  return kernels(type).workspace(*p, deterministic);
}

int sslpdl_backward(int type, const dcnv3::Problem* p, const void* value, const void* offset, const void* modulation,
                    const void* gradient, void* value_gradient, void* offset_gradient, void* modulation_gradient,
                    void* workspace, bool deterministic, unsigned seed) {
  emulation::seed = seed;
  return kernels(type).backward(*p, value, offset, modulation, gradient, value_gradient, offset_gradient,
                                modulation_gradient, workspace, deterministic, nullptr);
}
}
