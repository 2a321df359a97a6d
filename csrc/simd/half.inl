// float16 by integer arithmetic, for machines without conversion instructions.
// Included inside the namespace of an instruction set.

inline std::uint16_t narrow_one(float value) {
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    const std::uint32_t sign = (bits >> 16) & 0x8000u;
    const std::uint32_t magnitude = bits & 0x7FFFFFFFu;

    // Rebias the exponent; 0xFFF and the last kept bit round half to even, carries included.
    const std::uint32_t last = (magnitude >> 13) & 1u;
    const std::uint32_t normal = (magnitude - (112u << 23) + 0xFFFu + last) >> 13;

    // One step of 0.5f is the smallest subnormal half: the addition rounds for us.
    float small;
    std::memcpy(&small, &magnitude, sizeof small);
    small += 0.5f;
    std::uint32_t subnormal;
    std::memcpy(&subnormal, &small, sizeof subnormal);
    subnormal -= 0x3F000000u;

    std::uint32_t half = magnitude < 0x38800000u ? subnormal : normal;
    half = magnitude >= 0x47800000u ? 0x7C00u : half;  // 65536 and above
    half = magnitude > 0x7F800000u ? 0x7E00u | ((magnitude >> 13) & 0x3FFu) : half;
    return static_cast<std::uint16_t>(sign | half);
}

inline float widen_one(std::uint16_t half) {
    const std::uint32_t sign = (half & 0x8000u) << 16;
    const std::uint32_t magnitude = half & 0x7FFFu;
    std::uint32_t normal = (magnitude << 13) + (112u << 23);
    normal += magnitude >= 0x7C00u ? 112u << 23 : 0u;  // infinity and NaN: the top exponent
    normal |= magnitude > 0x7C00u ? 0x00400000u : 0u;  // NaN becomes quiet
    const float tiny = static_cast<float>(static_cast<std::int32_t>(magnitude)) * 0x1p-24f;
    std::uint32_t subnormal;
    std::memcpy(&subnormal, &tiny, sizeof subnormal);
    const std::uint32_t bits = sign | (magnitude < 0x400u ? subnormal : normal);
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

void narrow(const float* x, std::size_t count, std::uint8_t* out) {
#pragma omp simd
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint16_t half = narrow_one(x[i]);
        std::memcpy(out + 2 * i, &half, sizeof half);
    }
}

void widen(const std::uint8_t* halves, std::size_t count, float* out) {
#pragma omp simd
    for (std::size_t i = 0; i < count; ++i) {
        std::uint16_t half;
        std::memcpy(&half, halves + 2 * i, sizeof half);
        out[i] = widen_one(half);
    }
}
