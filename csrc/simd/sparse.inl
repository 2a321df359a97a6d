// Sparse tensors: a bit for each element, and the elements that are not zero. Included inside the
// namespace of an instruction set.

#if defined(__x86_64__) && COINFER_VECTOR_BYTES >= 32

// present: a bit for each lane that has a bit set. to_front: the lanes of these bits, one after
// another. to_back: the reverse, the other lanes zero.
#if COINFER_VECTOR_BYTES == 64
inline unsigned present(Floats v) {
    return _mm512_test_epi32_mask((__m512i)v, (__m512i)v);
}
// Into a register: compressing into memory takes Zen 4 a hundred cycles.
inline Floats to_front(Floats v, unsigned bits) {
    return _mm512_maskz_compress_ps(static_cast<__mmask16>(bits), v);
}
inline Floats to_back(Floats v, unsigned bits) {
    return _mm512_maskz_expand_ps(static_cast<__mmask16>(bits), v);
}
#else
inline unsigned present(Floats v) {
    const __m256i absent = _mm256_cmpeq_epi32((__m256i)v, _mm256_setzero_si256());
    return 0xFFu & ~static_cast<unsigned>(_mm256_movemask_ps((__m256)absent));
}
inline __m256i permutation(const Permutations& all, unsigned bits) {
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(&all[bits])));
}
inline Floats to_front(Floats v, unsigned bits) {
    static constexpr Permutations all = front_permutations();
    return _mm256_permutevar8x32_ps(v, permutation(all, bits));
}
inline Floats to_back(Floats v, unsigned bits) {
    static constexpr Permutations all = back_permutations();
    const __m256i from = permutation(all, bits);
    const Floats moved = _mm256_permutevar8x32_ps(v, from);
    return (Floats)_mm256_andnot_si256(_mm256_srai_epi32(from, 31), (__m256i)moved);
}
#endif

constexpr unsigned all_lanes = (1u << lanes) - 1;
constexpr std::size_t word_elements = 64;

inline std::size_t number_of(unsigned bits) {
    return static_cast<std::size_t>(__builtin_popcount(bits));
}

std::size_t compress(const float* x, std::size_t count, std::uint8_t* bitmap,
                     std::uint8_t* values) {
    std::size_t kept = 0, i = 0;
    for (; i + word_elements <= count; i += word_elements) {
        fetch_ahead<word_elements>(x + i);
        std::uint64_t word = 0;
        for (std::size_t k = 0; k < word_elements; k += lanes) {
            const Floats v = load_once(x + i + k);
            const unsigned bits = present(v);
            // A whole register: no more values than elements so far, so there is room.
            store_bytes(values + kept * sizeof(float), to_front(v, bits));
            kept += number_of(bits);
            word |= std::uint64_t{bits} << k;
        }
        std::memcpy(bitmap + i / 8, &word, sizeof word);
    }
    for (; i + lanes <= count; i += lanes) {
        const Floats v = load(x + i);
        const unsigned bits = present(v);
        store_bytes(values + kept * sizeof(float), to_front(v, bits));
        kept += number_of(bits);
        std::memcpy(bitmap + i / 8, &bits, lanes / 8);
    }
    if (const std::size_t part = count - i; part > 0) {
        const Floats v = some(x + i, part);
        const unsigned bits = present(v);
        store_bytes(values + kept * sizeof(float), to_front(v, bits),
                    number_of(bits) * sizeof(float));
        kept += number_of(bits);
        std::memcpy(bitmap + i / 8, &bits, (part + 7) / 8);
    }
    return kept;
}

std::size_t expand(const std::uint8_t* bitmap, std::size_t count, const std::uint8_t* values,
                   std::size_t available, float* out) {
    const auto* const from = reinterpret_cast<const float*>(values);  // at any address
    std::size_t taken = 0, i = 0;
    for (; i + word_elements <= count && taken + word_elements <= available;
         i += word_elements) {
        std::uint64_t word;
        std::memcpy(&word, bitmap + i / 8, sizeof word);
        for (std::size_t k = 0; k < word_elements; k += lanes) {
            const unsigned bits = static_cast<unsigned>(word >> k) & all_lanes;
            store(out + i + k, to_back(load(from + taken), bits));
            taken += number_of(bits);
        }
    }
    // Near the end of the values, or of the elements.
    const auto next = [&](unsigned bits) {
        const std::size_t rest = available - taken;
        const Floats v = rest < lanes ? some(from + taken, rest) : load(from + taken);
        taken += number_of(bits);
        return to_back(v, bits);
    };
    for (; i + lanes <= count; i += lanes) {
        unsigned bits = 0;
        std::memcpy(&bits, bitmap + i / 8, lanes / 8);
        store(out + i, next(bits));
    }
    if (const std::size_t part = count - i; part > 0) {
        unsigned bits = 0;
        std::memcpy(&bits, bitmap + i / 8, (part + 7) / 8);
        store(out + i, next(bits), part);
    }
    return taken;
}

#else

std::size_t compress(const float* x, std::size_t count, std::uint8_t* bitmap,
                     std::uint8_t* values) {
    std::size_t kept = 0;
    for (std::size_t at = 0; at < count; at += 8) {
        const std::size_t part = std::min<std::size_t>(8, count - at);
        unsigned byte = 0;
        for (std::size_t i = 0; i < part; ++i) {
            std::uint32_t bits;
            std::memcpy(&bits, x + at + i, sizeof bits);
            // Always written, for want of a branch: there is room for every element.
            std::memcpy(values + kept * sizeof bits, &bits, sizeof bits);
            kept += bits != 0;
            byte |= static_cast<unsigned>(bits != 0) << i;
        }
        bitmap[at / 8] = static_cast<std::uint8_t>(byte);
    }
    return kept;
}

std::size_t expand(const std::uint8_t* bitmap, std::size_t count, const std::uint8_t* values,
                   std::size_t, float* out) {
    std::size_t taken = 0;
    if (count > 0) std::memset(out, 0, count * sizeof(float));
    for (std::size_t at = 0; at < count; at += 8)
        for (unsigned byte = bitmap[at / 8]; byte != 0; byte &= byte - 1) {
            std::memcpy(out + at + __builtin_ctz(byte), values + taken * sizeof(float),
                        sizeof(float));
            ++taken;
        }
    return taken;
}

#endif

std::size_t population(const std::uint8_t* bytes, std::size_t count) {
    std::size_t bits = 0;
    for (; count >= 8; bytes += 8, count -= 8) {
        std::uint64_t word;
        std::memcpy(&word, bytes, sizeof word);
        bits += static_cast<std::size_t>(__builtin_popcountll(word));
    }
    for (; count > 0; ++bytes, --count)
        bits += static_cast<std::size_t>(__builtin_popcount(*bytes));
    return bits;
}
