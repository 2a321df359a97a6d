// CRC32C by two units of the processor at once: a part of each block is folded (crc_fold.inl, to be
// included before), three others go through the CRC32 instruction, one beside the other, for it
// takes three cycles to give a result but can begin one each cycle. Gopal et al., "Fast CRC
// Computation for iSCSI Polynomial Using CRC32 Instruction", Intel 2011, has the three streams.

constexpr std::size_t chains = 4, words = 4;  // registers, and words of a stream, in an iteration
constexpr std::size_t iteration_bytes = chains * sizeof(Fold) + 3 * words * 8;

// A state that `bytes` other bytes follow, as a product that CRC32 of eight bytes reduces: that
// takes it on by 32 bits, and the product of reflected words comes out one place low.
template <std::size_t bytes>
inline __m128i carried(std::uint32_t state) {
    constexpr std::uint64_t key = crc_power(8 * bytes - 33) >> 32;
    return _mm_clmulepi64_si128(_mm_cvtsi32_si128(static_cast<int>(state)),
                                _mm_cvtsi64_si128(static_cast<long long>(key)), 0x00);
}

template <std::size_t iterations>
inline std::uint32_t block(const std::uint8_t* data, std::uint32_t crc) {
    constexpr std::size_t width = sizeof(Fold), stream = iterations * words * 8;
    const std::uint8_t* next = data + iterations * chains * width;  // of the first stream
    std::uint64_t a = 0, b = 0, c = 0;
    const auto take_words = [&] {
#pragma GCC unroll 4
        for (std::size_t i = 0; i < words; ++i, next += 8) {
            a = _mm_crc32_u64(a, word_at(next));
            b = _mm_crc32_u64(b, word_at(next + stream));
            c = _mm_crc32_u64(c, word_at(next + 2 * stream));
        }
    };
    const Fold key = carry_key<chains * width>();
    Fold chain[chains] = {first_register(data, crc)};
    for (std::size_t i = 1; i < chains; ++i) chain[i] = fold_load(data + i * width);
    for (std::size_t iteration = 1; iteration < iterations; ++iteration) {
        take_words();
        data += chains * width;
#pragma GCC unroll 4
        for (std::size_t i = 0; i < chains; ++i)
            chain[i] = fold_step(chain[i], key, fold_load(data + i * width));
    }
    take_words();
    Fold folded = chain[0];
    for (std::size_t i = 1; i < chains; ++i)
        folded = fold_step(folded, carry_key<width>(), chain[i]);
    const __m128i ahead = carried<3 * stream>(state_of(folded)) ^
                          carried<2 * stream>(static_cast<std::uint32_t>(a)) ^
                          carried<stream>(static_cast<std::uint32_t>(b));
    return static_cast<std::uint32_t>(
        _mm_crc32_u64(0, static_cast<std::uint64_t>(_mm_cvtsi128_si64(ahead))) ^ c);
}

template <std::size_t iterations>
inline void take_blocks(const std::uint8_t*& data, std::size_t& length, std::uint32_t& crc) {
    constexpr std::size_t bytes = iterations * iteration_bytes;
    for (; length >= bytes; data += bytes, length -= bytes) crc = block<iterations>(data, crc);
}

inline std::uint32_t crc32c_by_blocks(const std::uint8_t* data, std::size_t length,
                                      std::uint32_t start) {
    std::uint32_t crc = ~start;
    take_blocks<64>(data, length, crc);
    take_blocks<8>(data, length, crc);
    return ~fold_all(data, length, crc);
}
