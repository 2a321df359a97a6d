// CRC32C by tables, for processors without an instruction for it.
// Included inside the namespace of an instruction set.

// Eight bytes a step, one table for each.
std::uint32_t crc32c(const std::uint8_t* data, std::size_t length, std::uint32_t crc) {
    static constexpr auto tables = crc_tables<8>();
    crc = ~crc;
    for (; length >= 8; data += 8, length -= 8) {
        std::uint64_t word;
        std::memcpy(&word, data, sizeof word);
        word ^= crc;
        crc = 0;
        for (int place = 0; place < 8; ++place)
            crc ^= tables[7 - place][(word >> (8 * place)) & 0xFF];
    }
    for (; length > 0; ++data, --length) crc = tables[0][(crc ^ *data) & 0xFF] ^ (crc >> 8);
    return ~crc;
}
