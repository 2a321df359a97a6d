// The affine quantiser with its own range for each column of a matrix. Included once per
// instruction set, inside its namespace.

// Columns [first, first + vectors * lanes).
template <std::size_t vectors>
inline void span_block(const float* x, std::size_t rows, std::size_t columns, std::size_t first,
                       Span* spans) {
    Range range[vectors] = {};
    for (std::size_t row = 0; row < rows; ++row)
        for (std::size_t k = 0; k < vectors; ++k)
            widen_range(range[k], load_once(x + row * columns + first + k * lanes));
    for (std::size_t k = 0; k < vectors; ++k)
        for (std::size_t lane = 0; lane < lanes; ++lane)
            spans[first + k * lanes + lane] = as_span(range[k].high[lane], range[k].low[lane]);
}

void span_columns(const float* x, std::size_t rows, std::size_t columns, Span* spans) {
    std::size_t first = 0;
    for (; first + 4 * lanes <= columns; first += 4 * lanes)
        span_block<4>(x, rows, columns, first, spans);
    for (; first + lanes <= columns; first += lanes)
        span_block<1>(x, rows, columns, first, spans);
    for (; first < columns; ++first) {
        std::int32_t high = 0;
        std::uint32_t low = 0;
        for (std::size_t row = 0; row < rows; ++row) {
            std::int32_t bits;
            std::memcpy(&bits, x + row * columns + first, sizeof bits);
            high = std::max(high, bits);
            low = std::max(low, static_cast<std::uint32_t>(bits));
        }
        spans[first] = as_span(high, low);
    }
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
