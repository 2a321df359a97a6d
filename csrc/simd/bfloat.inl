// bfloat16, the upper half of a float32. Included once per instruction set, inside its namespace.
//
// By integers: the instruction for it takes subnormals for zero.

// The upper half in the lower one, with the sign above it.
inline Ints rounded_upper(Floats v) {
    const Words bits = (Words)v;
    // Half to even: the last kept bit decides a tie. The carry may run into the exponent.
    const Words carried = bits + ((bits >> 16 & 1) + 0x7FFF);
    const Words quiet = bits | 0x00400000;
    return (Ints)(v == v ? carried : quiet) >> 16;
}

void narrow_bf16(const float* x, std::size_t count, std::uint8_t* out) {
    constexpr std::size_t pair = 2 * lanes;
    const auto halves = [&](std::size_t at) {
        return signed_halves(rounded_upper(load_once(x + at)),
                             rounded_upper(load_once(x + at + lanes)));
    };
    std::size_t i = 0;
    for (; i + pair <= count; i += pair) {
        fetch_ahead<pair * sizeof(float)>(x + i);
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
