// bfloat16, the upper half of a float32. Included once per instruction set, inside its namespace.
//
// By integers: the instruction for it takes subnormals for zero.

// The upper half in the lower one, with the sign above it.
inline Ints rounded_upper(Floats v) {
    const Words bits = (Words)v;
    // Half to even: the last kept bit decides a tie. The carry may run into the exponent.
    const Words carried = bits + ((bits >> 16 & 1) + 0x7FFF);
#if defined(__x86_64__) && COINFER_VECTOR_BYTES == 64
    // One instruction for what would be a comparison, a bit and a choice: NaN becomes quiet.
    const __m512i quiet_nan = _mm512_set1_epi32(0x22);
    return (Ints)_mm512_fixupimm_ps((__m512)carried, v, quiet_nan, 0) >> 16;
#else
    const Words quiet = bits | 0x00400000;
    return (Ints)(v == v ? carried : quiet) >> 16;
#endif
}

void narrow_bf16(const float* x, std::size_t count, std::uint8_t* out) {
    constexpr std::size_t pair = 2 * lanes;
    const auto halves = [&](std::size_t at) {
        return signed_halves(rounded_upper(load_once(x + at)),
                             rounded_upper(load_once(x + at + lanes)));
    };
    std::size_t i = 0;
    for (; i + pair <= count; i += pair) {
        fetch_ahead<pair>(x + i);
        store_bytes(out + 2 * i, halves(i));
    }
    if (i == count) return;
    if (count >= pair) {
        store_bytes(out + 2 * (count - pair), halves(count - pair));
        return;
    }
    const Floats second = count > lanes ? some(x + lanes, count - lanes) : Floats{};
    store_bytes(out, signed_halves(rounded_upper(some(x, std::min(lanes, count))),
                                   rounded_upper(second)),
                2 * count);
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
