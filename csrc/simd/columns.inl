// The affine quantiser with its own range for each column of a matrix. Included once per
// instruction set, inside its namespace.

void span_columns(const float* x, std::size_t rows, std::size_t columns, Span* spans) {
    for (std::size_t column = 0; column < columns; ++column) {
        Span range{0.0f, 0.0f};
        bool finite = true;
        for (std::size_t row = 0; row < rows; ++row) {
            const float value = x[row * columns + column];
            finite &= std::abs(value) <= std::numeric_limits<float>::max();
            range.low = std::min(range.low, value);
            range.high = std::max(range.high, value);
        }
        if (!finite) range.low = range.high = std::numeric_limits<float>::quiet_NaN();
        spans[column] = range;
    }
}

void quantise_columns(const float* x, std::size_t columns, const float* inverses,
                      const std::int32_t* zero_points, Levels levels, std::int8_t* codes) {
#pragma omp simd
    for (std::size_t i = 0; i < columns; ++i) {
        const float scaled = x[i] * inverses[i];
        const float bounded = std::min(std::max(scaled, -512.0f), 512.0f);
        const float rounded = bounded + round_magic;
        std::int32_t bits;
        std::memcpy(&bits, &rounded, sizeof bits);
        const std::int32_t code = bits - round_magic_bits + zero_points[i];
        codes[i] = static_cast<std::int8_t>(std::min(std::max(code, levels.least), levels.most));
    }
}

void dequantise_columns(const std::int8_t* codes, std::size_t columns, const float* scales,
                        const std::int32_t* zero_points, float* out) {
#pragma omp simd
    for (std::size_t i = 0; i < columns; ++i)
        out[i] = static_cast<float>(codes[i] - zero_points[i]) * scales[i];
}
