// Text of CUDA's error codes, for the binding, which knows no CUDA.
#include <cuda_runtime.h>

#include "kernels.h"

const char* dcnv3::cuda_error(int code) { return cudaGetErrorString(static_cast<cudaError_t>(code)); }
