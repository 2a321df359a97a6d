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

inline Range joined(const Range& a, const Range& b) {
    return {larger(a.high, b.high), larger(a.low, b.low)};
}

template <typename Vector>
inline auto largest_lane(Vector v) {
#pragma GCC unroll 4
    for (std::size_t half = lanes / 2; half > 0; half /= 2)
        v = larger(v, shuffle(v, lane_numbers() ^ static_cast<std::int32_t>(half)));
    return v[0];
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
    Range a = {}, b = {}, c = {}, d = {};  // one would wait for the latency of each maximum
    std::size_t i = 0;
    for (; i + 4 * lanes <= count; i += 4 * lanes) {
        fetch_ahead<4 * lanes>(x + i);
        widen_range(a, load_once(x + i));
        widen_range(b, load_once(x + i + lanes));
        widen_range(c, load_once(x + i + 2 * lanes));
        widen_range(d, load_once(x + i + 3 * lanes));
    }
    for (; i + lanes <= count; i += lanes) widen_range(a, load(x + i));
    if (i < count) widen_range(b, count < lanes ? some(x, count) : load(x + count - lanes));
    const Range all = joined(joined(a, b), joined(c, d));
    return as_span(largest_lane(all.high), largest_lane(all.low));
}

struct Quantisers {
    Floats scale;
    Floats inverse;
    Ints zero_point;
    Ints refused;  // lanes whose range is not finite or too wide
};

// Single float operations, in the order of the documentation: every back end gets the same bits.
inline Quantisers quantisers_of(Floats low, Floats high, Levels levels) {
    const Floats width = high - low;
    const auto steps = static_cast<float>(levels.most - levels.least);
    const Floats scale = larger(width / steps, all(min_scale));
    const Floats inverse = 1.0f / scale;
    const Ints usable = width <= all(std::numeric_limits<float>::max());
    const Ints wanted = levels.least - (rounded(low * inverse) & usable);
    return {scale, inverse, smaller(wanted, all(levels.most)), ~usable};
}

inline bool any_lane(Ints v) {
    std::int32_t any = 0;
    for (std::size_t lane = 0; lane < lanes; ++lane) any |= v[lane];
    return any != 0;
}

bool quantisers(const float* lows, const float* highs, std::size_t count, Levels levels,
                float* scales, float* inverses, std::int32_t* zero_points) {
    Ints refused = {};
    const auto put = [&](const Quantisers& made, std::size_t at, std::size_t part) {
        refused |= made.refused;
        store(scales + at, made.scale, part);
        store(inverses + at, made.inverse, part);
        store_bytes(zero_points + at, made.zero_point, part * sizeof(std::int32_t));
    };
    std::size_t i = 0;
    for (; i + lanes <= count; i += lanes)
        put(quantisers_of(load(lows + i), load(highs + i), levels), i, lanes);
    if (const std::size_t part = count - i; part > 0)
        put(quantisers_of(some(lows + i, part), some(highs + i, part), levels), i, part);
    return !any_lane(refused);
}

constexpr std::size_t step = 4 * lanes;  // their codes fill a vector of bytes

// Narrowing clips to eight bits; four need one more comparison.
template <bool four_bits>
inline Bytes narrowed(const Ints* codes) {
    if (!four_bits) return signed_bytes(codes[0], codes[1], codes[2], codes[3]);
    const Bytes bytes = unsigned_bytes(codes[0], codes[1], codes[2], codes[3]);
    return smaller(bytes, 15 - Bytes{});
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
        fetch_ahead<step>(x + i);
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
