// Four-bit codes, two a byte. Included once per instruction set, inside its namespace.

void pack4(const std::int8_t* codes, std::size_t count, std::uint8_t* packed) {
#pragma omp simd
    for (std::size_t i = 0; i < count / 2; ++i)
        packed[i] = static_cast<std::uint8_t>(codes[2 * i] | codes[2 * i + 1] << 4);
    if (count % 2 != 0) packed[count / 2] = static_cast<std::uint8_t>(codes[count - 1]);
}

void unpack4(const std::uint8_t* packed, std::size_t count, std::int8_t* codes) {
#pragma omp simd
    for (std::size_t i = 0; i < count / 2; ++i) {
        codes[2 * i] = static_cast<std::int8_t>(packed[i] & 15);
        codes[2 * i + 1] = static_cast<std::int8_t>(packed[i] >> 4);
    }
    if (count % 2 != 0) codes[count - 1] = static_cast<std::int8_t>(packed[count / 2] & 15);
}

constexpr std::size_t code_block = 1024;

void quantise4(const float* x, std::size_t count, float inverse, std::int32_t zero_point,
               std::uint8_t* packed) {
    std::int8_t codes[code_block];
    for (std::size_t at = 0; at < count; at += code_block) {
        const std::size_t part = std::min(code_block, count - at);
        quantise(x + at, part, inverse, zero_point, int4_levels, codes);
        pack4(codes, part, packed + at / 2);
    }
}

void dequantise4(const std::uint8_t* packed, std::size_t count, float scale,
                 std::int32_t zero_point, float* out) {
    std::int8_t codes[code_block];
    for (std::size_t at = 0; at < count; at += code_block) {
        const std::size_t part = std::min(code_block, count - at);
        unpack4(packed + at / 2, part, codes);
        dequantise(codes, part, scale, zero_point, out + at);
    }
}

bool quantise_groups(const float* x, std::size_t groups, std::uint8_t* scales,
                     std::uint8_t* zero_points, std::uint8_t* packed) {
    for (std::size_t group = 0; group < groups; ++group) {
        const float* const elements = x + group * group_elements;
        const Span range = span(elements, group_elements);
        const float width = range.high - range.low;
        if (!(width <= std::numeric_limits<float>::max())) return false;
        const float scale = std::max(width / 15.0f, min_scale);
        const float inverse = 1.0f / scale;
        const auto zero_point = std::clamp(
            -static_cast<std::int32_t>(std::nearbyint(range.low * inverse)), 0, 15);
        std::memcpy(scales + group * sizeof scale, &scale, sizeof scale);
        zero_points[group] = static_cast<std::uint8_t>(zero_point);
        quantise4(elements, group_elements, inverse, zero_point,
                  packed + group * group_elements / 2);
    }
    return true;
}

void dequantise_groups(const std::uint8_t* scales, const std::uint8_t* zero_points,
                       const std::uint8_t* packed, std::size_t groups, float* out) {
    for (std::size_t group = 0; group < groups; ++group) {
        float scale;
        std::memcpy(&scale, scales + group * sizeof scale, sizeof scale);
        dequantise4(packed + group * group_elements / 2, group_elements, scale,
                    zero_points[group], out + group * group_elements);
    }
}
