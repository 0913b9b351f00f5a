// The kernels for float and double: compiled once for each instruction set, with DCNV3_SET naming it.
//
// Groups of 16 channels have loops of their own for any window, groups of 8 and 32 for windows of nine points.
#include "widths.h"

namespace dcnv3 {
namespace {

void forward_single(const Problem& p, const float* value, const float* offset, const float* modulation, float* result,
                    int64_t begin, int64_t end) {
  const bool nine = p.points() == 9;
  const auto run = p.group_width() == 16           ? &forward<Wide, Group16, float>
                   : p.group_width() == 8 && nine  ? &forward_rows<Wide, Group8, float, 9>
                   : p.group_width() == 32 && nine ? &forward_rows<Wide, Group32, float, 9>
                                                   : &forward<Wide, Any<float>, float>;
  run(p, value, offset, modulation, result, begin, end);
}

void backward_single(const Problem& p, const float* value, const float* offset, const float* modulation,
                     const float* gradient, float* value_gradient, float* offset_gradient, float* modulation_gradient,
                     int64_t slices, int64_t begin, int64_t end) {
  const bool nine = p.points() == 9;
  const auto run = p.group_width() == 16           ? &backward<Wide, Group16, float>
                   : p.group_width() == 8 && nine  ? &backward_tasks<Wide, Group8, float, 9>
                   : p.group_width() == 32 && nine ? &backward_tasks<Wide, Group32, float, 9>
                                                   : &backward<Wide, Any<float>, float>;
  run(p, value, offset, modulation, gradient, value_gradient, offset_gradient, modulation_gradient, slices, begin, end);
}

}  // namespace

namespace DCNV3_SET {
const Kernels<float> single_precision = {forward_single, backward_single};
#if !defined(__AVX2__)
const Kernels<double> double_precision = {forward<Single<double>, Any<double>, double>,
                                          backward<Single<double>, Any<double>, double>};
#endif
}  // namespace DCNV3_SET

}  // namespace dcnv3
