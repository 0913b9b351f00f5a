// The kernels of one instruction set: compiled once for each, with DCNV3_SET naming it.
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 takes the deliberately undefined registers of its own AVX-512 header for mistakes
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include "backward.h"
#include "forward.h"

#if defined(__AVX2__)
#include "lanes_x86.h"
#endif

namespace dcnv3 {
namespace {

#if defined(__AVX512F__)
using Wide = Sixteen;
using Group8 = Fixed<Eight, 1>;
using Group16 = Fixed<Sixteen, 1>;
using Group32 = Fixed<Sixteen, 2>;
#elif defined(__AVX2__)
using Wide = Eight;
using Group8 = Fixed<Eight, 1>;
using Group16 = Fixed<Eight, 2>;
using Group32 = Fixed<Eight, 4>;
#else
using Wide = Four;
using Group8 = Fixed<Four, 2>;
using Group16 = Fixed<Four, 4>;
using Group32 = Any<float>;
#endif

void forward_single(const Problem& p, const float* value, const float* offset, const float* modulation, float* result,
                    int64_t begin, int64_t end) {
  const auto run = p.group_width() == 16   ? &forward<Wide, Group16>
                   : p.group_width() == 8  ? &forward<Wide, Group8>
                   : p.group_width() == 32 ? &forward<Wide, Group32>
                                           : &forward<Wide, Any<float>>;
  run(p, value, offset, modulation, result, begin, end);
}

void backward_single(const Problem& p, const float* value, const float* offset, const float* modulation,
                     const float* gradient, float* value_gradient, float* offset_gradient, float* modulation_gradient,
                     int64_t slices, int64_t begin, int64_t end) {
  const auto run = p.group_width() == 16   ? &backward<Wide, Group16>
                   : p.group_width() == 8  ? &backward<Wide, Group8>
                   : p.group_width() == 32 ? &backward<Wide, Group32>
                                           : &backward<Wide, Any<float>>;
  run(p, value, offset, modulation, gradient, value_gradient, offset_gradient, modulation_gradient, slices, begin, end);
}

}  // namespace

extern const InstructionSet DCNV3_SET;
#define DCNV3_TEXT(name) #name
#define DCNV3_NAME(name) DCNV3_TEXT(name)
const InstructionSet DCNV3_SET = {
    DCNV3_NAME(DCNV3_SET),
    {forward_single, backward_single},
    {forward<Single<double>, Any<double>>, backward<Single<double>, Any<double>>},
};

}  // namespace dcnv3
