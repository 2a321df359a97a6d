// AVX-512 F, BW, CD, DQ and VL (x86-64-v4) with VPCLMULQDQ: Ice Lake, Zen 4 and later.
#include "simd/common.hpp"

#if COINFER_X86_SETS
#include <immintrin.h>

#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // both in GCC's own _mm512_undefined_ps
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
COINFER_TARGET_PUSH("arch=x86-64-v4,pclmul,vpclmulqdq,prefer-vector-width=512",
                    "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,vpclmulqdq,"
                    "bmi,bmi2,f16c,fma,lzcnt,movbe,pclmul,popcnt")
#define COINFER_VECTOR_BYTES 64

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

using Fold = __m512i;
inline Fold fold_load(const std::uint8_t* data) { return _mm512_loadu_si512(data); }
inline Fold fold_key(std::uint64_t low, std::uint64_t high) {
    return _mm512_broadcast_i32x4(
        _mm_set_epi64x(static_cast<long long>(high), static_cast<long long>(low)));
}
inline Fold fold_step(Fold a, Fold key, Fold next) {
    return _mm512_clmulepi64_epi128(a, key, 0x00) ^ _mm512_clmulepi64_epi128(a, key, 0x11) ^ next;
}
#include "simd/crc_fold.inl"

std::uint32_t crc32c(const std::uint8_t* data, std::size_t length, std::uint32_t crc) {
    return ~fold_all(data, length, ~crc);
}

inline __m256i sixteen(Floats v) {
    return _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

void narrow(const float* x, std::size_t count, std::uint8_t* out) {
    std::size_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        fetch_ahead<lanes>(x + i);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 2 * i), sixteen(load(x + i)));
    }
    if (i == count) return;
    const __m256i tail = sixteen(some(x + i, count - i));
    std::memcpy(out + 2 * i, &tail, 2 * (count - i));
}

void widen(const std::uint8_t* halves, std::size_t count, float* out) {
    std::size_t i = 0;
    for (; i + lanes <= count; i += lanes)
        store(out + i, _mm512_cvtph_ps(_mm256_loadu_si256(
                           reinterpret_cast<const __m256i*>(halves + 2 * i))));
    __m256i tail = _mm256_setzero_si256();
    std::memcpy(&tail, halves + 2 * i, 2 * (count - i));
    store(out + i, _mm512_cvtph_ps(tail), count - i);
}

}  // namespace

const Kernels avx512 = {
    "avx512",
#include "simd/table.inl"
};

}  // namespace coinfer

COINFER_TARGET_POP
#endif
