// CRC32C with 128-bit products: Haswell to Zen 2.
#include "simd/common.hpp"
#include "simd/crc.hpp"

#if COINFER_X86_SETS
COINFER_TARGET_PUSH("arch=x86-64-v3,pclmul", "avx2,bmi,bmi2,crc32,pclmul")

namespace coinfer {
namespace {

using Fold = __m128i;
inline Fold fold_load(const std::uint8_t* data) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(data));
}
inline Fold fold_key(std::uint64_t low, std::uint64_t high) {
    return _mm_set_epi64x(static_cast<long long>(high), static_cast<long long>(low));
}
inline Fold fold_step(Fold a, Fold key, Fold next) {
    return _mm_clmulepi64_si128(a, key, 0x00) ^ _mm_clmulepi64_si128(a, key, 0x11) ^ next;
}
#include "simd/crc_fold.inl"
#include "simd/crc_blocks.inl"

}  // namespace

std::uint32_t crc32c_pclmul(const std::uint8_t* data, std::size_t length, std::uint32_t crc) {
    return crc32c_by_blocks(data, length, crc);
}

}  // namespace coinfer

COINFER_TARGET_POP
#endif
