// The kernels for numbers of half the size: compiled once for each instruction set, with DCNV3_SET naming it.
//
// Storage alone is smaller, so the code is that of float with other loads and stores. Groups of 16 channels and windows
// of nine points have their own loops; everything else shares one, which keeps the build short.
#include "widths.h"

namespace dcnv3 {
namespace {

template <class S>
void forward_half(const Problem& p, const S* value, const S* offset, const S* modulation, S* result, int64_t begin,
                  int64_t end) {
  const bool usual = p.group_width() == 16 && p.points() == 9;
  const auto run = usual ? &forward_rows<Wide, Group16, S, 9> : &forward_rows<Wide, Any<float>, S, 0>;
  run(p, value, offset, modulation, result, begin, end);
}

template <class S>
void backward_half(const Problem& p, const S* value, const S* offset, const S* modulation, const S* gradient,
                   S* value_gradient, S* offset_gradient, S* modulation_gradient, int64_t slices, int64_t begin,
                   int64_t end) {
  const bool usual = p.group_width() == 16 && p.points() == 9;
  const auto run = usual ? &backward_tasks<Wide, Group16, S, 9> : &backward_tasks<Wide, Any<float>, S, 0>;
  run(p, value, offset, modulation, gradient, value_gradient, offset_gradient, modulation_gradient, slices, begin, end);
}

}  // namespace

namespace DCNV3_SET {
const Kernels<BFloat16> bfloat16 = {forward_half<BFloat16>, backward_half<BFloat16>};
const Kernels<Half> half = {forward_half<Half>, backward_half<Half>};
}  // namespace DCNV3_SET

}  // namespace dcnv3
