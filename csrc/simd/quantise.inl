// The affine quantiser. Included once per instruction set, inside its namespace.

Span span(const float* x, std::size_t count) {
    // Four independent chains: one would wait for the latency of each minimum.
    constexpr std::size_t chains = 4;
    Floats low[chains] = {}, high[chains] = {};
    Ints magnitude[chains] = {};
    const auto take = [&](std::size_t chain, Floats v) {
        low[chain] = smaller(v, low[chain]);
        high[chain] = larger(v, high[chain]);
        magnitude[chain] = larger((Ints)v & magnitude_bits, magnitude[chain]);
    };
    std::size_t i = 0;
    for (; i + chains * lanes <= count; i += chains * lanes)
        for (std::size_t chain = 0; chain < chains; ++chain)
            take(chain, load(x + i + chain * lanes));
    for (; i + lanes <= count; i += lanes) take(0, load(x + i));
    if (i < count) take(0, load(x + i, count - i, 0.0f));

    for (std::size_t chain = 1; chain < chains; ++chain) {
        low[0] = smaller(low[chain], low[0]);
        high[0] = larger(high[chain], high[0]);
        magnitude[0] = larger(magnitude[chain], magnitude[0]);
    }
    Span result{0.0f, 0.0f};
    std::int32_t largest = 0;
    for (std::size_t lane = 0; lane < lanes; ++lane) {
        result.low = std::min(result.low, low[0][lane]);
        result.high = std::max(result.high, high[0][lane]);
        largest = std::max(largest, magnitude[0][lane]);
    }
    if (largest >= infinity_bits)
        result.low = result.high = std::numeric_limits<float>::quiet_NaN();
    return result;
}

void quantise(const float* x, std::size_t count, float inverse, std::int32_t zero_point,
              Levels levels, std::int8_t* codes) {
    // The bounds are integers, so clamping first gives what rounding first would.
    const auto least = static_cast<float>(levels.least - zero_point);
    const auto most = static_cast<float>(levels.most - zero_point);
    const std::int32_t offset = zero_point - round_magic_bits;
#pragma omp simd
    for (std::size_t i = 0; i < count; ++i) {
        const float scaled = x[i] * inverse;
        const float bounded = std::min(std::max(scaled, least), most);
        const float rounded = bounded + round_magic;
        std::int32_t bits;
        std::memcpy(&bits, &rounded, sizeof bits);
        codes[i] = static_cast<std::int8_t>(bits + offset);
    }
}

void dequantise(const std::int8_t* codes, std::size_t count, float scale, std::int32_t zero_point,
                float* out) {
#pragma omp simd
    for (std::size_t i = 0; i < count; ++i)
        out[i] = static_cast<float>(static_cast<std::int32_t>(codes[i]) - zero_point) * scale;
}
