// Vectors of the width of the instruction set, in the compiler's own vector notation: the same
// source becomes SSE2, AVX2, AVX-512, or whatever else the machine has.
// Included once per instruction set, inside its namespace.

typedef float Floats __attribute__((vector_size(COINFER_VECTOR_BYTES)));
typedef std::int32_t Ints __attribute__((vector_size(COINFER_VECTOR_BYTES)));

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
inline Floats larger(Floats a, Floats b) { return a > b ? a : b; }
inline Floats smaller(Floats a, Floats b) { return a < b ? a : b; }
inline Ints larger(Ints a, Ints b) { return a > b ? a : b; }

inline Ints lane_numbers() {
    Ints v;
    for (std::size_t i = 0; i < lanes; ++i) v[i] = static_cast<std::int32_t>(i);
    return v;
}

// Ways to combine lanes. Not lambdas: their conversion to a pointer would not be compiled for the
// instruction set.
struct Largest {
    Floats operator()(Floats a, Floats b) const { return larger(a, b); }
};
struct Smallest {
    Ints operator()(Ints a, Ints b) const { return a < b ? a : b; }
};
struct Sum {
    Floats operator()(Floats a, Floats b) const { return a + b; }
};
struct Any {
    Ints operator()(Ints a, Ints b) const { return a | b; }
};

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

// Combines all lanes by halves; the result is in every lane.
template <typename Combine, typename Vector>
inline Vector over_lanes(Vector v) {
#pragma GCC unroll 4
    for (std::size_t step = lanes / 2; step > 0; step /= 2)
        v = Combine()(v, shuffle(v, lane_numbers() ^ static_cast<std::int32_t>(step)));
    return v;
}

// Adding 1.5 * 2^23 rounds to an integer (half to even) and leaves it in the low bits.
constexpr float round_magic = 12582912.0f;
constexpr std::int32_t round_magic_bits = 0x4B400000;
constexpr std::int32_t infinity_bits = 0x7F800000;
constexpr std::int32_t magnitude_bits = 0x7FFFFFFF;
constexpr float infinity = std::numeric_limits<float>::infinity();
