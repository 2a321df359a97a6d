// CRC32C by carry-less multiplication. Included inside the namespace of an instruction set, which
// defines Fold (a register of one or more 128-bit blocks), fold_load, fold_key and fold_step.
//
// A block B that lies d bits ahead of another counts as B * x^d there. Instead of B * x^d, which
// grows, a shorter polynomial of the same remainder is added: with the block's halves L and H,
// L * (x^(d+64) mod P) + H * (x^d mod P). Bits are reflected, so a product of two words comes out
// one place low, which the keys make good for with one power less.

// Key that carries a register over `bytes`.
template <std::size_t bytes>
inline Fold carry_key() {
    constexpr std::uint64_t low = crc_power(8 * bytes + 63), high = crc_power(8 * bytes - 1);
    return fold_key(low, high);
}

inline std::uint64_t word_at(const std::uint8_t* data) {
    std::uint64_t word;
    std::memcpy(&word, data, sizeof word);
    return word;
}

// The checksum of the bytes of a register.
inline std::uint32_t state_of(const Fold& folded) {
    std::uint64_t words[sizeof folded / 8];
    std::memcpy(words, &folded, sizeof words);
    std::uint64_t state = 0;
    for (const std::uint64_t word : words) state = _mm_crc32_u64(state, word);
    return static_cast<std::uint32_t>(state);
}

// The first register, with the state entering like its first four bytes.
inline Fold first_register(const std::uint8_t* data, std::uint32_t crc) {
    const std::uint64_t start[sizeof(Fold) / 8] = {crc};
    return fold_load(data) ^ fold_load(reinterpret_cast<const std::uint8_t*>(start));
}

// Folds all whole registers of the data into one and returns the checksum of that.
inline std::uint32_t fold_registers(const std::uint8_t*& data, std::size_t& length,
                                    std::uint32_t crc) {
    constexpr std::size_t chains = 4, width = sizeof(Fold);
    Fold folded = first_register(data, crc);
    if (length >= 2 * chains * width) {
        const Fold key = carry_key<chains * width>();
        Fold chain[chains] = {folded};
        for (std::size_t i = 1; i < chains; ++i) chain[i] = fold_load(data + i * width);
        data += chains * width, length -= chains * width;
        for (; length >= chains * width; data += chains * width, length -= chains * width)
            for (std::size_t i = 0; i < chains; ++i)
                chain[i] = fold_step(chain[i], key, fold_load(data + i * width));
        folded = chain[0];
        for (std::size_t i = 1; i < chains; ++i)
            folded = fold_step(folded, carry_key<width>(), chain[i]);
    } else {
        data += width, length -= width;
    }
    for (; length >= width; data += width, length -= width)
        folded = fold_step(folded, carry_key<width>(), fold_load(data));
    return state_of(folded);
}

// Takes the state of a checksum and all of the data.
inline std::uint32_t fold_all(const std::uint8_t* data, std::size_t length, std::uint32_t crc) {
    if (length >= 2 * sizeof(Fold)) crc = fold_registers(data, length, crc);
    std::uint64_t state = crc;
    for (; length >= 8; data += 8, length -= 8) state = _mm_crc32_u64(state, word_at(data));
    crc = static_cast<std::uint32_t>(state);
    for (; length > 0; ++data, --length) crc = _mm_crc32_u8(crc, *data);
    return crc;
}
