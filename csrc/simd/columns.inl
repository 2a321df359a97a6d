// The affine quantiser with its own range for each column of a matrix. Included once per
// instruction set, inside its namespace.

inline Range range_at(const float* lows, const float* highs) {
    return {(Ints)load(highs), (Words)load(lows)};
}

inline void put_range(const Range& range, float* lows, float* highs) {
    // Below the sign bit it is a positive element or zero: none is negative.
    store(lows, range.low >= 0x80000000u ? (Floats)range.low : all(0.0f));
    store(highs, (Floats)range.high);
}

// Columns [first, first + vectors * lanes).
template <std::size_t vectors>
inline void span_block(const float* x, std::size_t rows, std::size_t columns, std::size_t first,
                       float* lows, float* highs) {
    constexpr std::size_t rows_ahead = 8;  // each row lies elsewhere, which processors do not see
    Range range[vectors];
    for (std::size_t k = 0; k < vectors; ++k)
        range[k] = range_at(lows + first + k * lanes, highs + first + k * lanes);
    for (std::size_t row = 0; row < rows; ++row) {
        const float* const elements = x + row * columns + first;
        if (row + rows_ahead < rows)
            fetch_ahead<vectors * lanes>(elements, rows_ahead * columns);
        for (std::size_t k = 0; k < vectors; ++k)
            widen_range(range[k], load_once(elements + k * lanes));
    }
    for (std::size_t k = 0; k < vectors; ++k)
        put_range(range[k], lows + first + k * lanes, highs + first + k * lanes);
}

void span_columns(const float* x, std::size_t rows, std::size_t columns, float* lows,
                  float* highs) {
    std::size_t first = 0;
    for (; first + 4 * lanes <= columns; first += 4 * lanes)
        span_block<4>(x, rows, columns, first, lows, highs);
    for (; first + lanes <= columns; first += lanes)
        span_block<1>(x, rows, columns, first, lows, highs);
    if (first == columns) return;
    const std::size_t part = columns - first;
    Range range = {(Ints)some(highs + first, part), (Words)some(lows + first, part)};
    for (std::size_t row = 0; row < rows; ++row)
        widen_range(range, some(x + row * columns + first, part));
    float low[lanes], high[lanes];
    put_range(range, low, high);
    std::memcpy(lows + first, low, part * sizeof(float));
    std::memcpy(highs + first, high, part * sizeof(float));
}

template <bool four_bits>
inline void quantise_columns_into(const float* x, std::size_t columns, const float* inverses,
                                  const std::int32_t* zero_points, std::int8_t* codes) {
    const auto take = [&](std::size_t at) {
        Ints some[4];
        for (std::size_t k = 0; k < 4; ++k, at += lanes) {
            Ints zero_point;
            std::memcpy(&zero_point, zero_points + at, sizeof zero_point);
            some[k] = rounded(load(x + at) * load(inverses + at)) + zero_point;
        }
        return narrowed<four_bits>(some);
    };
    std::size_t i = 0;
    for (; i + step <= columns; i += step) store_bytes(codes + i, take(i));
    if (i == columns) return;
    if (columns >= step) {
        store_bytes(codes + columns - step, take(columns - step));
        return;
    }
    Ints some_codes[4] = {};
    for (std::size_t k = 0; k * lanes < columns; ++k) {
        const std::size_t at = k * lanes, part = std::min(lanes, columns - at);
        Ints zero_point = {};
        std::memcpy(&zero_point, zero_points + at, part * sizeof(std::int32_t));
        some_codes[k] = rounded(some(x + at, part) * some(inverses + at, part)) + zero_point;
    }
    store_bytes(codes, narrowed<four_bits>(some_codes), columns);
}

void quantise_columns(const float* x, std::size_t columns, const float* inverses,
                      const std::int32_t* zero_points, Levels levels, std::int8_t* codes) {
    if (levels.least < 0)
        quantise_columns_into<false>(x, columns, inverses, zero_points, codes);
    else
        quantise_columns_into<true>(x, columns, inverses, zero_points, codes);
}

void dequantise_columns(const std::int8_t* codes, std::size_t columns, const float* scales,
                        const std::int32_t* zero_points, float* out) {
#pragma omp simd
    for (std::size_t i = 0; i < columns; ++i)
        out[i] = static_cast<float>(codes[i] - zero_points[i]) * scales[i];
}
