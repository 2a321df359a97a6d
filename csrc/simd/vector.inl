// Vectors of the width of the instruction set, in the compiler's own vector notation: the same
// source becomes SSE2, AVX2, AVX-512, or whatever else the machine has.
// Included once per instruction set, inside its namespace.

typedef float Floats __attribute__((vector_size(COINFER_VECTOR_BYTES)));
typedef std::int32_t Ints __attribute__((vector_size(COINFER_VECTOR_BYTES)));

typedef float Quad __attribute__((vector_size(16)));  // four lanes, whatever the width

constexpr std::size_t lanes = COINFER_VECTOR_BYTES / sizeof(float);

inline Floats load(const float* from) {
    Floats v;
    std::memcpy(&v, from, sizeof v);  // any alignment
    return v;
}

// The first `count` lanes; the others get `rest`.
inline Floats load(const float* from, std::size_t count, float rest) {
    Floats v = rest - Floats{};
    std::memcpy(&v, from, count * sizeof(float));
    return v;
}

inline void store(float* to, Floats v, std::size_t count = lanes) {
    std::memcpy(to, &v, count * sizeof(float));
}

inline Floats all(float value) { return value - Floats{}; }
inline Ints all(std::int32_t value) { return value - Ints{}; }

// On NaN both give `b`, so a clamp is written larger(v, bound) only where NaN is dealt with.
// Spelt out for AVX-512, where GCC makes a comparison and a blend of them.
template <typename Vector>
inline Vector larger(Vector a, Vector b) {
    return a > b ? a : b;
}
template <typename Vector>
inline Vector smaller(Vector a, Vector b) {
    return a < b ? a : b;
}
#if defined(__x86_64__) && COINFER_VECTOR_BYTES == 64
template <>
inline Floats larger(Floats a, Floats b) {
    return _mm512_max_ps(a, b);
}
template <>
inline Floats smaller(Floats a, Floats b) {
    return _mm512_min_ps(a, b);
}
template <>
inline Quad larger(Quad a, Quad b) {
    return _mm_max_ps(a, b);
}
template <>
inline Quad smaller(Quad a, Quad b) {
    return _mm_min_ps(a, b);
}
#endif

inline Ints lane_numbers() {
    Ints v;
    for (std::size_t i = 0; i < lanes; ++i) v[i] = static_cast<std::int32_t>(i);
    return v;
}

// Lane i of the result is lane from[i] of `v`.
template <typename Vector>
inline Vector shuffle(Vector v, Ints from) {
#ifdef __clang__
    Vector shuffled;
    for (std::size_t i = 0; i < lanes; ++i) shuffled[i] = v[from[i]];
    return shuffled;
#else
    return __builtin_shuffle(v, from);
#endif
}

// Adding 1.5 * 2^23 rounds to an integer (half to even) and leaves it in the low bits.
constexpr float round_magic = 12582912.0f;
constexpr std::int32_t round_magic_bits = 0x4B400000;
constexpr std::int32_t infinity_bits = 0x7F800000;
constexpr std::int32_t magnitude_bits = 0x7FFFFFFF;
constexpr float infinity = std::numeric_limits<float>::infinity();
