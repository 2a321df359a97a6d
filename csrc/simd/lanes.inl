// What the vector notation lacks: rounding, and narrowing from 32 bits to 16 and 8.
// Included once per instruction set, inside its namespace.

typedef std::uint32_t Words __attribute__((vector_size(COINFER_VECTOR_BYTES)));
typedef std::uint16_t Halves __attribute__((vector_size(COINFER_VECTOR_BYTES)));
typedef std::uint8_t Bytes __attribute__((vector_size(COINFER_VECTOR_BYTES)));

template <typename Vector>
inline void store_bytes(void* to, const Vector& v, std::size_t bytes = sizeof(Vector)) {
    std::memcpy(to, &v, bytes);
}

// Reads a vector once: the compiler would rather read it again for its second use, which takes
// twice as long where it straddles a cache line.
inline Floats load_once(const float* from) {
    Floats v = load(from);
#if defined(__AVX512F__)
    asm("" : "+v"(v));
#elif defined(__x86_64__)
    asm("" : "+x"(v));
#endif
    return v;
}

// Asks for the cache lines of the `count` elements that a loop needs `ahead` elements later. The
// address may lie beyond the array: nothing is read.
template <std::size_t count>
inline void fetch_ahead(const float* x, std::size_t ahead = 512) {
    constexpr std::size_t line = 64;
    const auto address = reinterpret_cast<std::uintptr_t>(x) + ahead * sizeof(float);
    for (std::size_t at = 0; at < count * sizeof(float); at += line)
        __builtin_prefetch(reinterpret_cast<const void*>(address + at));
}

// rounded: to the nearest integer, half to even, for magnitudes below 2^22.
// signed_halves, signed_bytes, unsigned_bytes: the lanes of all arguments in order, the nearest
//     that the narrower type has.
// low_bytes: the lower bytes of both.
// some: the first `count` floats and zeros.
#if defined(__x86_64__) && COINFER_VECTOR_BYTES == 64

inline Ints rounded(Floats v) { return (Ints)_mm512_cvtps_epi32(v); }
inline Halves signed_halves(Ints a, Ints b) {
    const __m512i order = _mm512_set_epi64(7, 5, 3, 1, 6, 4, 2, 0);
    return (Halves)_mm512_permutexvar_epi64(order, _mm512_packs_epi32((__m512i)a, (__m512i)b));
}
// The narrowing instructions work within 128-bit blocks, so four lanes of each argument meet.
inline __m512i blocks_in_order(__m512i v) {
    const __m512i order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    return _mm512_permutexvar_epi32(order, v);
}
inline Bytes signed_bytes(Ints a, Ints b, Ints c, Ints d) {
    return (Bytes)blocks_in_order(
        _mm512_packs_epi16(_mm512_packs_epi32((__m512i)a, (__m512i)b),
                           _mm512_packs_epi32((__m512i)c, (__m512i)d)));
}
inline Bytes unsigned_bytes(Ints a, Ints b, Ints c, Ints d) {
    return (Bytes)blocks_in_order(
        _mm512_packus_epi16(_mm512_packs_epi32((__m512i)a, (__m512i)b),
                            _mm512_packs_epi32((__m512i)c, (__m512i)d)));
}
inline Bytes low_bytes(Halves a, Halves b) {
    const __m512i order = _mm512_set_epi64(7, 5, 3, 1, 6, 4, 2, 0);
    const __m512i low = _mm512_set1_epi16(0xFF);
    return (Bytes)_mm512_permutexvar_epi64(
        order, _mm512_packus_epi16((__m512i)a & low, (__m512i)b & low));
}
template <>
inline Bytes smaller(Bytes a, Bytes b) {
    return (Bytes)_mm512_min_epu8((__m512i)a, (__m512i)b);
}
inline Floats some(const float* from, std::size_t count) {
    return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), from);
}

#elif defined(__x86_64__) && COINFER_VECTOR_BYTES == 32

inline Ints rounded(Floats v) { return (Ints)_mm256_cvtps_epi32(v); }
inline Halves signed_halves(Ints a, Ints b) {
    return (Halves)_mm256_permute4x64_epi64(_mm256_packs_epi32((__m256i)a, (__m256i)b), 0xD8);
}
// The narrowing instructions work within 128-bit blocks, so four lanes of each argument meet.
inline __m256i blocks_in_order(__m256i v) {
    return _mm256_permutevar8x32_epi32(v, _mm256_set_epi32(7, 3, 6, 2, 5, 1, 4, 0));
}
inline Bytes signed_bytes(Ints a, Ints b, Ints c, Ints d) {
    return (Bytes)blocks_in_order(
        _mm256_packs_epi16(_mm256_packs_epi32((__m256i)a, (__m256i)b),
                           _mm256_packs_epi32((__m256i)c, (__m256i)d)));
}
inline Bytes unsigned_bytes(Ints a, Ints b, Ints c, Ints d) {
    return (Bytes)blocks_in_order(
        _mm256_packus_epi16(_mm256_packs_epi32((__m256i)a, (__m256i)b),
                            _mm256_packs_epi32((__m256i)c, (__m256i)d)));
}
inline Bytes low_bytes(Halves a, Halves b) {
    const __m256i low = _mm256_set1_epi16(0xFF);
    return (Bytes)_mm256_permute4x64_epi64(
        _mm256_packus_epi16((__m256i)a & low, (__m256i)b & low), 0xD8);
}
inline Floats some(const float* from, std::size_t count) {
    const Ints wanted = lane_numbers() < all(static_cast<std::int32_t>(count));
    return _mm256_maskload_ps(from, (__m256i)wanted);
}

#else

inline Floats some(const float* from, std::size_t count) { return load(from, count, 0.0f); }

#if defined(__x86_64__)
inline Ints rounded(Floats v) { return (Ints)_mm_cvtps_epi32(v); }
inline Halves signed_halves(Ints a, Ints b) {
    return (Halves)_mm_packs_epi32((__m128i)a, (__m128i)b);
}
inline Bytes signed_bytes(Ints a, Ints b, Ints c, Ints d) {
    return (Bytes)_mm_packs_epi16((__m128i)signed_halves(a, b), (__m128i)signed_halves(c, d));
}
inline Bytes unsigned_bytes(Ints a, Ints b, Ints c, Ints d) {
    return (Bytes)_mm_packus_epi16((__m128i)signed_halves(a, b), (__m128i)signed_halves(c, d));
}
inline Bytes low_bytes(Halves a, Halves b) {
    const __m128i low = _mm_set1_epi16(0xFF);
    return (Bytes)_mm_packus_epi16((__m128i)a & low, (__m128i)b & low);
}
#elif defined(COINFER_NEON)
inline Ints rounded(Floats v) { return (Ints)vcvtnq_s32_f32((float32x4_t)v); }
inline Halves signed_halves(Ints a, Ints b) {
    return (Halves)vcombine_s16(vqmovn_s32((int32x4_t)a), vqmovn_s32((int32x4_t)b));
}
inline Bytes signed_bytes(Ints a, Ints b, Ints c, Ints d) {
    return (Bytes)vcombine_s8(vqmovn_s16((int16x8_t)signed_halves(a, b)),
                              vqmovn_s16((int16x8_t)signed_halves(c, d)));
}
inline Bytes unsigned_bytes(Ints a, Ints b, Ints c, Ints d) {
    return (Bytes)vcombine_u8(vqmovun_s16((int16x8_t)signed_halves(a, b)),
                              vqmovun_s16((int16x8_t)signed_halves(c, d)));
}
inline Bytes low_bytes(Halves a, Halves b) {
    return (Bytes)vuzp1q_u8((uint8x16_t)a, (uint8x16_t)b);
}
#else
inline Ints rounded(Floats v) {
    // The clamp changes nothing; it keeps the addition from melting into a product before it.
    v = smaller(larger(v, all(-4194304.0f)), all(4194304.0f));
    return (Ints)(v + round_magic) - round_magic_bits;
}
template <typename Narrow>
inline Narrow nearest(Ints lane, std::size_t i) {
    using Limits = std::numeric_limits<Narrow>;
    return static_cast<Narrow>(
        std::clamp<std::int32_t>(lane[i], Limits::min(), Limits::max()));
}
inline Halves signed_halves(Ints a, Ints b) {
    Halves v;
    for (std::size_t i = 0; i < lanes; ++i) {
        v[i] = static_cast<std::uint16_t>(nearest<std::int16_t>(a, i));
        v[lanes + i] = static_cast<std::uint16_t>(nearest<std::int16_t>(b, i));
    }
    return v;
}
template <typename Narrow>
inline Bytes nearest_bytes(Ints a, Ints b, Ints c, Ints d) {
    Bytes v;
    for (std::size_t i = 0; i < lanes; ++i) {
        v[i] = static_cast<std::uint8_t>(nearest<Narrow>(a, i));
        v[lanes + i] = static_cast<std::uint8_t>(nearest<Narrow>(b, i));
        v[2 * lanes + i] = static_cast<std::uint8_t>(nearest<Narrow>(c, i));
        v[3 * lanes + i] = static_cast<std::uint8_t>(nearest<Narrow>(d, i));
    }
    return v;
}
inline Bytes signed_bytes(Ints a, Ints b, Ints c, Ints d) {
    return nearest_bytes<std::int8_t>(a, b, c, d);
}
inline Bytes unsigned_bytes(Ints a, Ints b, Ints c, Ints d) {
    return nearest_bytes<std::uint8_t>(a, b, c, d);
}
inline Bytes low_bytes(Halves a, Halves b) {
    Bytes v;
    for (std::size_t i = 0; i < 2 * lanes; ++i) {
        v[i] = static_cast<std::uint8_t>(a[i]);
        v[2 * lanes + i] = static_cast<std::uint8_t>(b[i]);
    }
    return v;
}
#endif
#endif
