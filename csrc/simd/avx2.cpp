// AVX2 with FMA and F16C (x86-64-v3), and carry-less multiplication, which came earlier.
#include "simd/common.hpp"
#include "simd/crc.hpp"

#if COINFER_X86_SETS
#include <immintrin.h>

COINFER_TARGET_PUSH("arch=x86-64-v3,pclmul", "avx2,bmi,bmi2,f16c,fma,lzcnt,movbe,pclmul,popcnt")
#define COINFER_VECTOR_BYTES 32

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

// Which of the two is no matter of the set: AVX2 came eight years before VPCLMULQDQ.
std::uint32_t crc32c(const std::uint8_t* data, std::size_t length, std::uint32_t crc) {
    static const bool wide = has_vpclmul();
    return wide ? crc32c_vpclmul(data, length, crc) : crc32c_pclmul(data, length, crc);
}

inline __m128i eight(Floats v) {
    return _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

void narrow(const float* x, std::size_t count, std::uint8_t* out) {
    std::size_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        fetch_ahead<lanes>(x + i);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 2 * i), eight(load(x + i)));
    }
    if (i == count) return;
    const __m128i tail = eight(some(x + i, count - i));
    std::memcpy(out + 2 * i, &tail, 2 * (count - i));
}

void widen(const std::uint8_t* halves, std::size_t count, float* out) {
    std::size_t i = 0;
    for (; i + lanes <= count; i += lanes)
        store(out + i, _mm256_cvtph_ps(
                           _mm_loadu_si128(reinterpret_cast<const __m128i*>(halves + 2 * i))));
    __m128i tail = _mm_setzero_si128();
    std::memcpy(&tail, halves + 2 * i, 2 * (count - i));
    store(out + i, _mm256_cvtph_ps(tail), count - i);
}

}  // namespace

const Kernels avx2 = {
    "avx2",
#include "simd/table.inl"
};

}  // namespace coinfer

COINFER_TARGET_POP
#endif
