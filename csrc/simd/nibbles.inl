// Four-bit codes, two a byte. Included once per instruction set, inside its namespace.

// The codes of both vectors, each pair in a byte.
inline Bytes joined(Bytes first, Bytes second) {
    const Halves a = (Halves)first, b = (Halves)second;
    return low_bytes(a | a >> 4, b | b >> 4);
}

// Packs two steps: a vector of bytes.
inline Bytes packed_codes(const float* x, Floats inverse, Ints zero_point) {
    return joined(codes_of<true>(x, inverse, zero_point),
                  codes_of<true>(x + step, inverse, zero_point));
}

void pack4(const std::int8_t* codes, std::size_t count, std::uint8_t* packed) {
    std::size_t i = 0;
    for (; i + 2 * sizeof(Bytes) <= count; i += 2 * sizeof(Bytes)) {
        Bytes first, second;
        std::memcpy(&first, codes + i, sizeof first);
        std::memcpy(&second, codes + i + sizeof first, sizeof second);
        store_bytes(packed + i / 2, joined(first, second));
    }
    for (; i + 1 < count; i += 2)
        packed[i / 2] = static_cast<std::uint8_t>(codes[i] | codes[i + 1] << 4);
    if (i < count) packed[i / 2] = static_cast<std::uint8_t>(codes[i]);
}

void unpack4(const std::uint8_t* packed, std::size_t count, std::int8_t* codes) {
#pragma omp simd
    for (std::size_t i = 0; i < count / 2; ++i) {
        codes[2 * i] = static_cast<std::int8_t>(packed[i] & 15);
        codes[2 * i + 1] = static_cast<std::int8_t>(packed[i] >> 4);
    }
    if (count % 2 != 0) codes[count - 1] = static_cast<std::int8_t>(packed[count / 2] & 15);
}

void quantise4(const float* x, std::size_t count, float inverse, std::int32_t zero_point,
               std::uint8_t* packed) {
    const Floats factor = all(inverse);
    const Ints offset = all(zero_point);
    std::size_t i = 0;
    for (; i + 2 * step <= count; i += 2 * step) {
        fetch_ahead<2 * step>(x + i);
        store_bytes(packed + i / 2, packed_codes(x + i, factor, offset));
    }
    if (i == count) return;
    const std::size_t rest = count - i, first = std::min(step, rest);
    Bytes bytes = joined(codes_of<true>(x + i, first, factor, offset),
                         codes_of<true>(x + i + first, rest - first, factor, offset));
    if (rest % 2 != 0) bytes[rest / 2] &= 15;
    store_bytes(packed + i / 2, bytes, (rest + 1) / 2);
}

// The codes of as many bytes as fill a vector, one in the lowest four bits of each lane.
#if defined(__x86_64__) && COINFER_VECTOR_BYTES == 64
inline Ints unpacked(const std::uint8_t* packed) {
    const __m512i pairs = _mm512_cvtepu8_epi64(
        _mm_loadl_epi64(reinterpret_cast<const __m128i*>(packed)));
    return (Ints)(pairs | _mm512_slli_epi64(pairs, 28));
}
#elif defined(__x86_64__) && COINFER_VECTOR_BYTES == 32
inline Ints unpacked(const std::uint8_t* packed) {
    std::int32_t bytes;
    std::memcpy(&bytes, packed, sizeof bytes);
    const __m256i pairs = _mm256_cvtepu8_epi64(_mm_cvtsi32_si128(bytes));
    return (Ints)(pairs | _mm256_slli_epi64(pairs, 28));
}
#else
inline Ints unpacked(const std::uint8_t* packed) {
    return Ints{packed[0], packed[0] >> 4, packed[1], packed[1] >> 4};
}
#endif

#if defined(__x86_64__) && COINFER_VECTOR_BYTES == 64
// All sixteen values in a register: a code is a position in it.
struct Values {
    Floats table;
    Floats at(const std::uint8_t* packed) const {
        return _mm512_permutexvar_ps((__m512i)unpacked(packed), table);
    }
};
inline Values values_of(std::int32_t zero_point, float scale) {
    return {__builtin_convertvector(lane_numbers() - zero_point, Floats) * scale};
}
#else
struct Values {
    Ints zero_point;
    Floats scale;
    Floats at(const std::uint8_t* packed) const {
        return __builtin_convertvector((unpacked(packed) & 15) - zero_point, Floats) * scale;
    }
};
inline Values values_of(std::int32_t zero_point, float scale) {
    return {all(zero_point), all(scale)};
}
#endif

void dequantise4(const std::uint8_t* packed, std::size_t count, float scale,
                 std::int32_t zero_point, float* out) {
    const Values values = values_of(zero_point, scale);
    std::size_t i = 0;
    for (; i + lanes <= count; i += lanes) store(out + i, values.at(packed + i / 2));
    if (i == count) return;
    std::uint8_t rest[lanes / 2] = {};
    std::memcpy(rest, packed + i / 2, (count - i + 1) / 2);
    store(out + i, values.at(rest), count - i);
}
