// CRC32C with products of 256-bit registers: Zen 3, Alder Lake and later.
#include "simd/common.hpp"
#include "simd/crc.hpp"

#if COINFER_X86_SETS
COINFER_TARGET_PUSH("arch=x86-64-v3,pclmul,vpclmulqdq",
                    "avx2,bmi,bmi2,crc32,pclmul,vpclmulqdq")

namespace coinfer {
namespace {

using Fold = __m256i;
inline Fold fold_load(const std::uint8_t* data) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(data));
}
inline Fold fold_key(std::uint64_t low, std::uint64_t high) {
    return _mm256_broadcastsi128_si256(
        _mm_set_epi64x(static_cast<long long>(high), static_cast<long long>(low)));
}
inline Fold fold_step(Fold a, Fold key, Fold next) {
    return _mm256_clmulepi64_epi128(a, key, 0x00) ^ _mm256_clmulepi64_epi128(a, key, 0x11) ^ next;
}
#include "simd/crc_fold.inl"
#include "simd/crc_blocks.inl"

}  // namespace

std::uint32_t crc32c_vpclmul(const std::uint8_t* data, std::size_t length, std::uint32_t crc) {
    return crc32c_by_blocks(data, length, crc);
}

}  // namespace coinfer

COINFER_TARGET_POP
#endif
