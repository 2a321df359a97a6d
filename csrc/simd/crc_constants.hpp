// Constants of CRC32C (Castagnoli, reflected polynomial 0x82F63B78), made by the compiler.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace coinfer {

using CrcTable = std::array<std::uint32_t, 256>;

// Table 0 takes one byte; table k takes a byte that k zero bytes follow.
template <std::size_t places>
constexpr std::array<CrcTable, places> crc_tables() {
    std::array<CrcTable, places> tables{};
    for (std::uint32_t value = 0; value < 256; ++value) {
        std::uint32_t crc = value;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0x82F63B78u : 0u);
        tables[0][value] = crc;
    }
    for (std::size_t place = 1; place < places; ++place)
        for (std::size_t value = 0; value < 256; ++value) {
            const std::uint32_t before = tables[place - 1][value];
            tables[place][value] = (before >> 8) ^ tables[0][before & 0xFF];
        }
    return tables;
}

// x^power modulo the polynomial, as the upper half of a reflected 64-bit word.
constexpr std::uint64_t crc_power(std::size_t power) {
    std::uint32_t remainder = 0x80000000u;  // 1
    for (; power > 0; --power)
        remainder = (remainder >> 1) ^ (remainder & 1 ? 0x82F63B78u : 0u);
    return std::uint64_t{remainder} << 32;
}

}  // namespace coinfer
