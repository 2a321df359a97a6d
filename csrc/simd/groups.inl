// Groups of 32 elements, each with a four-bit quantiser of its own. Included once per instruction
// set, inside its namespace.
//
// As many groups as there are lanes are taken together: finding the range of one alone would need
// as many steps for its last 16 elements as for all before.

constexpr std::size_t group_vectors = group_elements / lanes;

// Lane i of the result is the largest of all lanes of v[i].
template <typename Vector>
inline Vector largest_of_each(const Vector* v) {
    Floats quarters[lanes / 4];
    for (std::size_t k = 0; k < lanes / 4; ++k, v += 4) {
        const Floats a = (Floats)v[0], b = (Floats)v[1], c = (Floats)v[2], d = (Floats)v[3];
        const Floats ab = (Floats)larger((Vector)low_pairs(a, b), (Vector)high_pairs(a, b));
        const Floats cd = (Floats)larger((Vector)low_pairs(c, d), (Vector)high_pairs(c, d));
        quarters[k] = (Floats)larger((Vector)low_halves(ab, cd), (Vector)high_halves(ab, cd));
    }
#if COINFER_VECTOR_BYTES > 16
    for (std::size_t half = lanes / 8; half > 0; half /= 2)
        for (std::size_t k = 0; k < half; ++k) {
            const Floats a = quarters[2 * k], b = quarters[2 * k + 1];
            quarters[k] = (Floats)larger((Vector)low_blocks(a, b), (Vector)high_blocks(a, b));
        }
#endif
    return (Vector)quarters[0];
}

inline Range ranges_of(const float* x) {
    fetch_ahead<lanes * group_elements>(x);
    Ints high[lanes];
    Words low[lanes];
    for (std::size_t group = 0; group < lanes; ++group) {
        Range range = {};
        for (std::size_t k = 0; k < group_vectors; ++k)
            widen_range(range, load_once(x + group * group_elements + k * lanes));
        high[group] = range.high;
        low[group] = range.low;
    }
    return {largest_of_each(high), largest_of_each(low)};
}

// Quantises `lanes` groups; what it returns has a bit set when a group cannot be.
inline Ints quantise_lanes(const float* x, float* scales, std::int32_t* zero_points,
                           std::uint8_t* packed) {
    const Range range = ranges_of(x);
    // Below the sign bit it is a positive element or zero: none is negative.
    const Floats low = range.low >= 0x80000000u ? (Floats)range.low : all(0.0f);
    const Quantisers made = quantisers_of(low, (Floats)range.high, int4_levels);
    store(scales, made.scale);
    store_bytes(zero_points, made.zero_point);

    float inverses[lanes];
    store(inverses, made.inverse);
    const auto codes = [&](std::size_t vectors) {
        Ints some[4];
        for (std::size_t k = 0; k < 4; ++k) {
            const std::size_t group = (vectors + k) / group_vectors;
            some[k] = rounded(load(x + (vectors + k) * lanes) * all(inverses[group])) +
                      all(zero_points[group]);
        }
        return narrowed<true>(some);
    };
    for (std::size_t at = 0; at < lanes * group_vectors; at += 8)
        store_bytes(packed + at * lanes / 2, joined(codes(at), codes(at + 4)));
    return made.refused;
}

inline Ints quantise_group(const float* x, std::uint8_t* scale, std::uint8_t* zero_point,
                           std::uint8_t* packed) {
    const Span range = span(x, group_elements);
    const Quantisers made = quantisers_of(all(range.low), all(range.high), int4_levels);
    store_bytes(scale, made.scale, sizeof(float));
    *zero_point = static_cast<std::uint8_t>(made.zero_point[0]);
    quantise4(x, group_elements, made.inverse[0], made.zero_point[0], packed);
    return made.refused;
}

bool quantise_groups(const float* x, std::size_t groups, std::uint8_t* scales,
                     std::uint8_t* zero_points, std::uint8_t* packed) {
    Ints refused = {};
    if (groups < lanes) {
        for (std::size_t i = 0; i < groups; ++i)
            refused |= quantise_group(x + i * group_elements, scales + i * sizeof(float),
                                      zero_points + i, packed + i * group_elements / 2);
        return !any_lane(refused);
    }
    const auto take = [&](std::size_t group) {
        float scale[lanes];
        std::int32_t zero_point[lanes];
        refused |= quantise_lanes(x + group * group_elements, scale, zero_point,
                                  packed + group * group_elements / 2);
        std::memcpy(scales + group * sizeof(float), scale, sizeof scale);
        for (std::size_t i = 0; i < lanes; ++i)
            zero_points[group + i] = static_cast<std::uint8_t>(zero_point[i]);
    };
    std::size_t group = 0;
    for (; group + lanes <= groups; group += lanes) take(group);
    if (group < groups) take(groups - lanes);  // repeats some, with the same result
    return !any_lane(refused);
}

void dequantise_groups(const std::uint8_t* scales, const std::uint8_t* zero_points,
                       const std::uint8_t* packed, std::size_t groups, float* out) {
    for (std::size_t group = 0; group < groups; ++group) {
        float scale;
        std::memcpy(&scale, scales + group * sizeof scale, sizeof scale);
        const Values values = values_of(zero_points[group], scale);
        for (std::size_t k = 0; k < group_vectors; ++k, packed += lanes / 2, out += lanes)
            store(out, values.at(packed));
    }
}
