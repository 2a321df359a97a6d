// NEON, which every aarch64 processor has. The CRC instructions came later and are asked for.
#include "simd/common.hpp"

#if COINFER_NEON_SET
#include <arm_acle.h>
#include <arm_neon.h>
#ifdef __linux__
#include <sys/auxv.h>
#endif

#define COINFER_VECTOR_BYTES 16
#define COINFER_NEON  // where the bodies have a choice, its instructions

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
#include "simd/sparse_neon.inl"
#include "simd/scores.inl"
#include "simd/change.inl"

namespace by_table {
#include "simd/crc_table.inl"
}

COINFER_TARGET_PUSH("+crc", "crc")
namespace by_instruction {
#ifdef __clang__  // its header has the intrinsics only when the whole file is compiled for them
#define __crc32cd __builtin_arm_crc32cd
#define __crc32cb __builtin_arm_crc32cb
#endif
std::uint32_t crc32c(const std::uint8_t* data, std::size_t length, std::uint32_t crc) {
    crc = ~crc;
    for (; length >= 8; data += 8, length -= 8) {
        std::uint64_t word;
        std::memcpy(&word, data, sizeof word);
        crc = __crc32cd(crc, word);
    }
    for (; length > 0; ++data, --length) crc = __crc32cb(crc, *data);
    return ~crc;
}
}  // namespace by_instruction
COINFER_TARGET_POP

bool has_crc_instructions() {
#ifdef __linux__
    return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
#else
    return false;
#endif
}

std::uint32_t crc32c(const std::uint8_t* data, std::size_t length, std::uint32_t crc) {
    static const auto chosen = has_crc_instructions() ? by_instruction::crc32c : by_table::crc32c;
    return chosen(data, length, crc);
}

inline uint8x8_t four(Floats v) {
    return vreinterpret_u8_f16(vcvt_f16_f32((float32x4_t)v));
}

void narrow(const float* x, std::size_t count, std::uint8_t* out) {
    std::size_t i = 0;
    for (; i + lanes <= count; i += lanes) vst1_u8(out + 2 * i, four(load(x + i)));
    const uint8x8_t tail = four(load(x + i, count - i, 0.0f));
    std::memcpy(out + 2 * i, &tail, 2 * (count - i));
}

void widen(const std::uint8_t* halves, std::size_t count, float* out) {
    std::size_t i = 0;
    for (; i + lanes <= count; i += lanes)
        store(out + i, (Floats)vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(halves + 2 * i))));
    uint8x8_t tail = vdup_n_u8(0);
    std::memcpy(&tail, halves + 2 * i, 2 * (count - i));
    store(out + i, (Floats)vcvt_f32_f16(vreinterpret_f16_u8(tail)), count - i);
}

}  // namespace

const Kernels neon = {
    "neon",
#include "simd/table.inl"
};

}  // namespace coinfer
#endif
