// Powers of two and logarithms of vectors. Included by scores.inl.
//
// Every step rounds the same way whatever the width of the vector: a row alone gets the bits that
// it gets among others.

template <typename Vector>
struct Integers {
    typedef std::int32_t Type __attribute__((vector_size(sizeof(Vector))));
};
template <typename Vector>
using IntegersOf = typename Integers<Vector>::Type;

// a * b + c. Spelt out where it is one instruction: what the compiler makes of the separate
// operations depends on their surroundings, and a decision must not differ from the score.
#if defined(__x86_64__) && COINFER_VECTOR_BYTES == 64
inline Floats multiply_add(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
#elif defined(__x86_64__) && COINFER_VECTOR_BYTES == 32
inline Floats multiply_add(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
#endif
#if defined(__x86_64__) && COINFER_VECTOR_BYTES > 16
inline Quad multiply_add(Quad a, Quad b, Quad c) { return _mm_fmadd_ps(a, b, c); }
#else
inline Quad multiply_add(Quad a, Quad b, Quad c) { return a * b + c; }
#endif

template <typename Vector>
inline Vector spread(float value) {
    return value - Vector{};
}

constexpr float least_power = -126.0f;  // 2 to it is still normal; what is below adds nothing

// (2^x - 1) / x for |x| <= 1/2: a polynomial of least largest error, which is 1e-7 of 2^x.
template <typename Vector>
inline Vector power_slope(Vector x) {
    Vector y = spread<Vector>(0.00132647271f);
    y = multiply_add(y, x, spread<Vector>(0.00967151267f));
    y = multiply_add(y, x, spread<Vector>(0.0555073374f));
    y = multiply_add(y, x, spread<Vector>(0.240222421f));
    return multiply_add(y, x, spread<Vector>(0.693146978f));
}

#if defined(__x86_64__) && COINFER_VECTOR_BYTES == 64
#include "simd/power_avx512.inl"
#else
// 2^x for x in [-126, 0]; NaN gives NaN.
template <typename Vector>
inline Vector power_of_two(Vector x) {
    // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits; with 127 more, they
    // are what the exponent's bits have to be.
    constexpr float magic = 12582912.0f + 127;
    const Vector shifted = x + magic;
    const Vector rest = x - (shifted - magic);
    const Vector scale = (Vector)((IntegersOf<Vector>)shifted << 23);
    return multiply_add(power_slope(rest), rest, spread<Vector>(1.0f)) * scale;
}
#endif

// 1 - 2^x for x in [-126, 0], without the cancellation near zero.
template <typename Vector>
inline Vector one_minus_power(Vector x) {
    return x > -0.5f ? -x * power_slope(x) : 1.0f - power_of_two(x);
}

// Natural logarithm for finite x >= 1, NaN for NaN: m + m^2 * (-1/2 + m * p(m)) for the mantissa 1 + m, with a
// polynomial of least largest error, which is 3e-8 of the logarithm.
template <typename Vector>
inline Vector logarithm(Vector x) {
    using Bits = IntegersOf<Vector>;
    // Taking off the bits of sqrt(1/2) puts the mantissa into [sqrt(1/2), sqrt(2)).
    const Bits offset = (Bits)x - 0x3F3504F3;
    const Vector power = __builtin_convertvector(offset >> 23, Vector);
    const Vector m = (Vector)((offset & 0x007FFFFF) + 0x3F3504F3) - 1.0f;
    // The bits of NaN would give a number.
    const Vector nothing = x - x;
    Vector y = spread<Vector>(0.0870043592f);
    y = multiply_add(y, m, spread<Vector>(-0.14267487f));
    y = multiply_add(y, m, spread<Vector>(0.149147679f));
    y = multiply_add(y, m, spread<Vector>(-0.165775847f));
    y = multiply_add(y, m, spread<Vector>(0.199630638f));
    y = multiply_add(y, m, spread<Vector>(-0.25001337f));
    y = multiply_add(y, m, spread<Vector>(0.333339107f));
    y = multiply_add(y, m, spread<Vector>(-0.5f));
    y = multiply_add(y * m, m, m + nothing);
    // ln 2 in two parts: the first has few bits, so that its product with an integer is exact.
    y = multiply_add(power, spread<Vector>(-2.12194440e-4f), y);
    return multiply_add(power, spread<Vector>(0.693359375f), y);
}

// Bit i tells whether lane i is equal.
inline std::uint32_t equal_lanes(Quad a, Quad b) {
#ifdef __x86_64__
    return static_cast<std::uint32_t>(_mm_movemask_ps((Quad)(a == b)));
#else
    const IntegersOf<Quad> bits = (a == b) & IntegersOf<Quad>{1, 2, 4, 8};
    return static_cast<std::uint32_t>(bits[0] | bits[1] | bits[2] | bits[3]);
#endif
}
#if defined(__x86_64__) && COINFER_VECTOR_BYTES == 64
inline std::uint32_t equal_lanes(Floats a, Floats b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
}
#elif defined(__x86_64__) && COINFER_VECTOR_BYTES == 32
inline std::uint32_t equal_lanes(Floats a, Floats b) {
    return static_cast<std::uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_EQ_OQ)));
}
#endif
