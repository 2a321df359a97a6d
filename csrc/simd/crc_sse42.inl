// CRC32C by the processor's instruction. Included inside the namespace of an instruction set.
//
// The instruction takes one word a cycle but answers after three, so three stretches run side by
// side; carrying a checksum over the bytes of a stretch is linear, and is done by table.

// Tables that carry a state over `length` zero bytes.
template <std::size_t length>
const std::array<CrcTable, 4>& carry_tables() {
    static const auto tables = [] {
        static constexpr auto one = crc_tables<1>();
        std::array<CrcTable, 4> made{};
        for (std::uint32_t byte = 0; byte < 4; ++byte)
            for (std::uint32_t value = 0; value < 256; ++value) {
                std::uint32_t state = value << (8 * byte);
                for (std::size_t i = 0; i < length; ++i)
                    state = one[0][state & 0xFF] ^ (state >> 8);
                made[byte][value] = state;
            }
        return made;
    }();
    return tables;
}

inline std::uint64_t carry(const std::array<CrcTable, 4>& tables, std::uint64_t state) {
    return tables[0][state & 0xFF] ^ tables[1][(state >> 8) & 0xFF] ^
           tables[2][(state >> 16) & 0xFF] ^ tables[3][(state >> 24) & 0xFF];
}

inline std::uint64_t word_at(const std::uint8_t* data) {
    std::uint64_t word;
    std::memcpy(&word, data, sizeof word);
    return word;
}

template <std::size_t stretch>
inline std::uint64_t three_stretches(const std::uint8_t*& data, std::size_t& length,
                                     std::uint64_t crc) {
    if (length < 3 * stretch) return crc;
    const auto& tables = carry_tables<stretch>();
    for (; length >= 3 * stretch; data += 3 * stretch, length -= 3 * stretch) {
        std::uint64_t second = 0, third = 0;
        for (std::size_t i = 0; i < stretch; i += 8) {
            crc = _mm_crc32_u64(crc, word_at(data + i));
            second = _mm_crc32_u64(second, word_at(data + stretch + i));
            third = _mm_crc32_u64(third, word_at(data + 2 * stretch + i));
        }
        crc = carry(tables, carry(tables, crc) ^ second) ^ third;
    }
    return crc;
}

std::uint32_t crc32c(const std::uint8_t* data, std::size_t length, std::uint32_t start) {
    std::uint64_t crc = ~start;
    crc = three_stretches<2048>(data, length, crc);
    crc = three_stretches<256>(data, length, crc);
    for (; length >= 8; data += 8, length -= 8) crc = _mm_crc32_u64(crc, word_at(data));
    for (; length > 0; ++data, --length)
        crc = _mm_crc32_u8(static_cast<std::uint32_t>(crc), *data);
    return ~static_cast<std::uint32_t>(crc);
}
