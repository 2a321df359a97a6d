// What every machine of the architecture has: SSE2 on x86-64, plain C++ elsewhere.
#include "simd/common.hpp"

#define COINFER_VECTOR_BYTES 16

namespace coinfer {
namespace {

#include "simd/vector.inl"
#include "simd/int8.inl"
#include "simd/scores.inl"
#include "simd/change.inl"
#include "simd/half.inl"

// Eight bytes a step, one table for each.
std::uint32_t crc32c(const std::uint8_t* data, std::size_t length, std::uint32_t crc) {
    static constexpr auto tables = crc_tables<8>();
    crc = ~crc;
    for (; length >= 8; data += 8, length -= 8) {
        std::uint64_t word;
        std::memcpy(&word, data, sizeof word);
        word ^= crc;
        crc = 0;
        for (int place = 0; place < 8; ++place)
            crc ^= tables[7 - place][(word >> (8 * place)) & 0xFF];
    }
    for (; length > 0; ++data, --length) crc = tables[0][(crc ^ *data) & 0xFF] ^ (crc >> 8);
    return ~crc;
}

#ifdef __x86_64__
constexpr const char* set_name = "sse2";
#else
constexpr const char* set_name = "portable";
#endif

}  // namespace

const Kernels baseline = {set_name, crc32c, span, quantise, dequantise,
                        narrow, widen, scores, decide, change};

}  // namespace coinfer
