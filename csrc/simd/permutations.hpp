// For each byte of a bitmap, how eight lanes move; made by the compiler.
#pragma once

#include <array>
#include <cstdint>

namespace coinfer {

// Byte j of an entry is where lane j comes from.
using Permutations = std::array<std::uint64_t, 256>;

// Lanes whose bit is set go to the front.
constexpr Permutations front_permutations() {
    Permutations all{};
    for (unsigned bits = 0; bits < 256; ++bits)
        for (unsigned lane = 0, next = 0; lane < 8; ++lane)
            if (bits >> lane & 1) all[bits] |= std::uint64_t{lane} << 8 * next++;
    return all;
}

// Lanes from the front go where a bit is set; the other entries are negative.
constexpr Permutations back_permutations() {
    Permutations all{};
    for (unsigned bits = 0; bits < 256; ++bits)
        for (unsigned lane = 0, next = 0; lane < 8; ++lane) {
            const std::uint64_t from = bits >> lane & 1 ? next++ : 0x80;
            all[bits] |= from << 8 * lane;
        }
    return all;
}

}  // namespace coinfer
