// The affine quantiser. Included once per instruction set, inside its namespace.
//
// An array that does not end with a whole step is finished by a step that begins earlier: what
// it repeats, it repeats with the same result.

// The range of a vector of floats. Taken as integers, floats of one sign are in order of their
// magnitude, and infinities and NaN lie beyond all others. So the largest signed integer is the
// largest float and the largest unsigned one the least, and nothing that is not finite is lost.
struct Range {
    Ints high;
    Words low;
};

inline void widen_range(Range& range, Floats v) {
    range.high = larger((Ints)v, range.high);
    range.low = larger((Words)v, range.low);
}

inline Span as_span(std::int32_t high, std::uint32_t low) {
    if (high >= infinity_bits || low >= 0x80000000u + infinity_bits)
        return {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::quiet_NaN()};
    if (low < 0x80000000u) low = 0;  // no element is negative
    Span span;
    std::memcpy(&span.high, &high, sizeof high);
    std::memcpy(&span.low, &low, sizeof low);
    return span;
}

Span span(const float* x, std::size_t count) {
    constexpr std::size_t chains = 4;  // one would wait for the latency of each maximum
    Range range[chains] = {};
    std::size_t i = 0;
    for (; i + chains * lanes <= count; i += chains * lanes) {
        fetch_ahead<chains * sizeof(Floats)>(x + i);
        for (std::size_t chain = 0; chain < chains; ++chain)
            widen_range(range[chain], load_once(x + i + chain * lanes));
    }
    for (; i + lanes <= count; i += lanes) widen_range(range[0], load(x + i));
    if (i < count)
        widen_range(range[1], count < lanes ? some(x, count) : load(x + count - lanes));

    for (std::size_t chain = 1; chain < chains; ++chain) {
        range[0].high = larger(range[0].high, range[chain].high);
        range[0].low = larger(range[0].low, range[chain].low);
    }
    std::int32_t high = 0;
    std::uint32_t low = 0;
    for (std::size_t lane = 0; lane < lanes; ++lane) {
        high = std::max<std::int32_t>(high, range[0].high[lane]);
        low = std::max<std::uint32_t>(low, range[0].low[lane]);
    }
    return as_span(high, low);
}

constexpr std::size_t step = 4 * lanes;  // their codes fill a vector of bytes

// Narrowing clips to eight bits; four need one more comparison.
template <bool four_bits>
inline Bytes narrowed(const Ints* codes) {
    if (!four_bits) return signed_bytes(codes[0], codes[1], codes[2], codes[3]);
    const Bytes bytes = unsigned_bytes(codes[0], codes[1], codes[2], codes[3]);
    const Bytes most = 15 - Bytes{};
    return bytes < most ? bytes : most;
}

template <bool four_bits>
inline Bytes codes_of(const float* x, Floats inverse, Ints zero_point) {
    Ints codes[4];
    for (std::size_t k = 0; k < 4; ++k)
        codes[k] = rounded(load(x + k * lanes) * inverse) + zero_point;
    return narrowed<four_bits>(codes);
}

// The first `count` elements of a step.
template <bool four_bits>
inline Bytes codes_of(const float* x, std::size_t count, Floats inverse, Ints zero_point) {
    Ints codes[4] = {};
    for (std::size_t k = 0; k * lanes < count; ++k) {
        const Floats v = some(x + k * lanes, std::min(lanes, count - k * lanes));
        codes[k] = rounded(v * inverse) + zero_point;
    }
    return narrowed<four_bits>(codes);
}

template <bool four_bits>
inline void quantise_into(const float* x, std::size_t count, float inverse,
                          std::int32_t zero_point, std::int8_t* codes) {
    const Floats factor = all(inverse);
    const Ints offset = all(zero_point);
    std::size_t i = 0;
    for (; i + step <= count; i += step) {
        fetch_ahead<step * sizeof(float)>(x + i);
        store_bytes(codes + i, codes_of<four_bits>(x + i, factor, offset));
    }
    if (i == count) return;
    if (count >= step)
        store_bytes(codes + count - step, codes_of<four_bits>(x + count - step, factor, offset));
    else
        store_bytes(codes, codes_of<four_bits>(x, count, factor, offset), count);
}

void quantise(const float* x, std::size_t count, float inverse, std::int32_t zero_point,
              Levels levels, std::int8_t* codes) {
    if (levels.least < 0)
        quantise_into<false>(x, count, inverse, zero_point, codes);
    else
        quantise_into<true>(x, count, inverse, zero_point, codes);
}

void dequantise(const std::int8_t* codes, std::size_t count, float scale, std::int32_t zero_point,
                float* out) {
#pragma omp simd
    for (std::size_t i = 0; i < count; ++i)
        out[i] = static_cast<float>(static_cast<std::int32_t>(codes[i]) - zero_point) * scale;
}
