// bfloat16, the upper half of a float32. Included once per instruction set, inside its namespace.
//
// By integers: the instruction for it takes subnormals for zero.

void narrow_bf16(const float* x, std::size_t count, std::uint8_t* out) {
#pragma omp simd
    for (std::size_t i = 0; i < count; ++i) {
        std::uint32_t bits;
        std::memcpy(&bits, x + i, sizeof bits);
        // Half to even: the last kept bit decides a tie. The carry may run into the exponent.
        const std::uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
        const std::uint32_t quiet = (bits >> 16) | 0x40u;
        const auto half = static_cast<std::uint16_t>(
            (bits & 0x7FFFFFFFu) > 0x7F800000u ? quiet : rounded);
        std::memcpy(out + 2 * i, &half, sizeof half);
    }
}

void widen_bf16(const std::uint8_t* halves, std::size_t count, float* out) {
#pragma omp simd
    for (std::size_t i = 0; i < count; ++i) {
        std::uint16_t half;
        std::memcpy(&half, halves + 2 * i, sizeof half);
        const std::uint32_t bits = static_cast<std::uint32_t>(half) << 16;
        std::memcpy(out + i, &bits, sizeof bits);
    }
}
