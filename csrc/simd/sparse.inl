// Sparse tensors: a bit for each element, and the elements that are not zero. Included inside the
// namespace of an instruction set.

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
                   [[maybe_unused]] std::size_t available, float* out) {
    std::size_t taken = 0;
    for (std::size_t i = 0; i < count; ++i) out[i] = 0.0f;
    for (std::size_t at = 0; at < count; at += 8)
        for (unsigned byte = bitmap[at / 8]; byte != 0; byte &= byte - 1) {
            std::memcpy(out + at + __builtin_ctz(byte), values + taken * sizeof(float),
                        sizeof(float));
            ++taken;
        }
    return taken;
}

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
