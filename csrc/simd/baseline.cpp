// What every machine of the architecture has: SSE2 on x86-64, plain C++ elsewhere.
#include "simd/common.hpp"

#ifdef __x86_64__
#include <emmintrin.h>
#endif

#define COINFER_VECTOR_BYTES 16

namespace coinfer {
namespace {

#include "simd/vector.inl"
#include "simd/lanes.inl"
#include "simd/copy.inl"
#include "simd/blocks.inl"
#include "simd/quantise.inl"
#include "simd/nibbles.inl"
#include "simd/groups.inl"
#include "simd/columns.inl"
#include "simd/bfloat.inl"
#include "simd/sparse.inl"
#include "simd/scores.inl"
#include "simd/change.inl"
#include "simd/half.inl"
#include "simd/crc_table.inl"

#ifdef __x86_64__
constexpr const char* set_name = "sse2";
#else
constexpr const char* set_name = "portable";
#endif

}  // namespace

const Kernels baseline = {
    set_name,
#include "simd/table.inl"
};

}  // namespace coinfer
