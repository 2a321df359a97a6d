// Sparse tensors with NEON: a table lookup moves the four lanes of a register to where they
// belong. Included inside the namespace of the instruction set.

using Order = std::array<std::uint8_t, 16>;
constexpr std::uint8_t nowhere = 0xFF;  // the lookup gives zero

// For each set of lanes the bytes that bring them to the front, or back from there.
template <bool to_front>
constexpr std::array<Order, 16> orders() {
    std::array<Order, 16> all{};
    for (unsigned set = 0; set < 16; ++set) {
        for (std::uint8_t& byte : all[set]) byte = nowhere;
        unsigned taken = 0;
        for (unsigned lane = 0; lane < 4; ++lane) {
            if ((set >> lane & 1) == 0) continue;
            const unsigned from = to_front ? lane : taken, to = to_front ? taken : lane;
            for (unsigned i = 0; i < 4; ++i)
                all[set][4 * to + i] = static_cast<std::uint8_t>(4 * from + i);
            ++taken;
        }
    }
    return all;
}

inline uint8x16_t reordered(uint8x16_t v, const Order& order) {
    return vqtbl1q_u8(v, vld1q_u8(order.data()));
}

// A bit for each lane that has a bit set.
inline unsigned lanes_set(Floats v) {
    constexpr std::uint32_t places[4] = {1, 2, 4, 8};
    const auto bits = (uint32x4_t)v;
    return vaddvq_u32(vandq_u32(vtstq_u32(bits, bits), vld1q_u32(places)));
}

std::size_t compress(const float* x, std::size_t count, std::uint8_t* bitmap,
                     std::uint8_t* values) {
    static constexpr auto order = orders<true>();
    std::size_t kept = 0;
    for (std::size_t at = 0; at < count; at += lanes) {
        const std::size_t part = std::min(lanes, count - at);
        const Floats v = part == lanes ? load(x + at) : load(x + at, part, 0.0f);
        const unsigned set = lanes_set(v);
        const uint8x16_t packed = reordered((uint8x16_t)v, order[set]);
        // No more were kept than there were elements, so a whole register has room.
        std::memcpy(values + kept * sizeof(float), &packed, part * sizeof(float));
        kept += static_cast<std::size_t>(__builtin_popcount(set));
        std::uint8_t& byte = bitmap[at / 8];
        byte = static_cast<std::uint8_t>(at % 8 == 0 ? set : byte | set << 4);
    }
    return kept;
}

std::size_t expand(const std::uint8_t* bitmap, std::size_t count, const std::uint8_t* values,
                   std::size_t available, float* out) {
    static constexpr auto order = orders<false>();
    std::size_t taken = 0;
    for (std::size_t at = 0; at < count; at += lanes) {
        const unsigned set = bitmap[at / 8] >> at % 8 & 15;
        uint8x16_t packed = vdupq_n_u8(0);
        std::memcpy(&packed, values + taken * sizeof(float),
                    std::min(lanes, available - taken) * sizeof(float));
        store(out + at, (Floats)reordered(packed, order[set]), std::min(lanes, count - at));
        taken += static_cast<std::size_t>(__builtin_popcount(set));
    }
    return taken;
}

std::size_t population(const std::uint8_t* bytes, std::size_t count) {
    std::size_t bits = 0;
    for (; count >= 16; bytes += 16, count -= 16) bits += vaddvq_u8(vcntq_u8(vld1q_u8(bytes)));
    for (; count > 0; ++bytes, --count)
        bits += static_cast<std::size_t>(__builtin_popcount(*bytes));
    return bits;
}
