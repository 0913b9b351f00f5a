// The passes around the convolution: compiled once for each instruction set, with DCNV3_SET naming it.
#include "depthwise.h"

#if defined(__AVX2__)
#include "lanes_x86.h"
#endif

namespace dcnv3 {
namespace {

#if defined(__AVX512F__)
using Vector = Sixteen;
#elif defined(__AVX2__)
using Vector = Eight;
#else
using Vector = Four;
#endif

}  // namespace

namespace DCNV3_SET {
const LayerKernels layers = {finish<Vector>, join<Vector>, depthwise<Vector>};
}  // namespace DCNV3_SET

}  // namespace dcnv3
