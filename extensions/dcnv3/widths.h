// Which vectors hold the points of a block and the channels of a group, with the instructions of this object file.
#pragma once

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
using Group32 = Fixed<Four, 8>;
#endif

}  // namespace
}  // namespace dcnv3
