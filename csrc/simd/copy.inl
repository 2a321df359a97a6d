// Copies of tensors. Included once per instruction set, inside its namespace.

// memcpy, except where glibc's takes up to fifteen times as long: on AMD processors with fast
// "rep movsb" (Zen 3 and later), when the target lies a little beyond the source within their
// pages (https://sourceware.org/bugzilla/show_bug.cgi?id=30994). Frames often do: their memory
// begins 16 bytes into a page, and the payload 64 bytes later.
void copy(const std::uint8_t* from, std::size_t bytes, std::uint8_t* to) {
    constexpr std::size_t page = 4096, near = 64, least = 2048, round = 4 * sizeof(Floats);
    const std::size_t beyond =
        (reinterpret_cast<std::uintptr_t>(to) - reinterpret_cast<std::uintptr_t>(from)) % page;
    if (bytes < least || beyond == 0 || beyond >= near) {
        if (bytes > 0) std::memcpy(to, from, bytes);
        return;
    }
    std::size_t i = 0;
    for (; i + round <= bytes; i += round) {
        Floats v[4];
#pragma GCC unroll 4
        for (std::size_t k = 0; k < 4; ++k)
            v[k] = load_once(reinterpret_cast<const float*>(from + i + k * sizeof(Floats)));
#pragma GCC unroll 4
        for (std::size_t k = 0; k < 4; ++k) store_bytes(to + i + k * sizeof(Floats), v[k]);
    }
    std::memcpy(to + i, from + i, bytes - i);
}
