#include "inputs.hpp"

#include <cmath>
#include <limits>

namespace native {

std::uint64_t Random::next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
}

float Random::uniform(float low, float high) {
    const double unit = static_cast<double>(next() >> 11) * 0x1p-53;
    return static_cast<float>(low + (high - low) * unit);
}

float Random::normal() {
    float sum = -6;  // twelve uniform numbers: near enough
    for (int i = 0; i < 12; ++i) sum += uniform(0, 1);
    return sum;
}

const char* name_of(Family family) {
    constexpr const char* names[] = {"relu", "normal", "specials", "one-sided", "denormal", "huge"};
    return names[static_cast<int>(family)];
}

namespace {

// Borders of the formats, ties of their roundings, and numbers that have no place in any.
float special(std::size_t i, bool finite) {
    static const float finite_ones[] = {
        0.0f, -0.0f, 1.0f, -1.0f, 0.5f, -3.25f,
        0x1p-149f, -0x1p-149f, 0x1p-126f, -0x1.fffffcp-127f,            // float32 denormals
        65504.0f, 65519.99f, 65520.0f, -65520.0f, 65536.0f,             // the end of fp16
        0x1p-14f, 0x1.ff8p-15f, 0x1p-24f, 0x1p-25f, 0x1.8p-24f, 0x1.000002p-25f,
        1.0f + 0x1p-11f, 1.0f + 0x3p-11f, 1.0f + 0x1.000002p-11f,       // ties of fp16
        1.0f + 0x1p-8f, 1.0f + 0x3p-8f, -(1.0f + 0x3p-8f), 1.00390637f,  // ties of bf16
        12345.678f, -70000.0f, 127.5f, 128.5f, -0.5f,
    };
    static const float others[] = {
        std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
        std::numeric_limits<float>::quiet_NaN(), truth::float_of(0xFF800001),  // signalling
        std::numeric_limits<float>::max(), -std::numeric_limits<float>::max(),
        truth::float_of(0x7F7F8000), truth::float_of(0x7FFFFFFF),  // to infinity in bf16; a NaN
    };
    constexpr std::size_t plain = std::size(finite_ones), odd = std::size(others);
    if (finite) return finite_ones[i % plain];
    i %= plain + odd;
    return i < plain ? finite_ones[i] : others[i - plain];
}

float element(Family family, std::size_t i, bool finite, Random& random) {
    switch (family) {
        case Family::relu:
            return std::fmax(random.normal() - 0.3f, 0.0f);
        case Family::normal:
            return random.normal();
        case Family::specials:
            return special(i + random.below(2), finite);
        case Family::one_sided:
            return random.uniform(-5.0f, -4.0f);
        case Family::denormal:
            return truth::float_of(static_cast<std::uint32_t>(random.next() & 0x807FFFFF));
        case Family::huge:
            return random.uniform(-1.7e38f, 1.7e38f);
    }
    return 0;
}

}  // namespace

truth::Floats tensor(Family family, std::size_t count, bool finite, std::uint64_t seed) {
    Random random(seed * 1000 + count);
    truth::Floats x(count);
    for (std::size_t i = 0; i < count; ++i) x[i] = element(family, i, finite, random);
    return x;
}

std::vector<truth::Shape> shapes_of(std::size_t count) {
    const auto n = static_cast<std::uint32_t>(count);
    if (count == 0) return {{0}, {0, 7}, {7, 0}, {2, 3, 0, 1}};
    std::vector<truth::Shape> shapes = {{n}, {n, 1}, {1, n}};
    if (count == 1) shapes.push_back({});
    for (const std::uint32_t part : {2u, 3u, 5u, 16u})
        if (n % part == 0) {
            shapes.push_back({n / part, part});
            shapes.push_back({1, part, n / part});
            if (n % (2 * part) == 0) shapes.push_back({2, part, 1, n / part / 2});
        }
    return shapes;
}

std::vector<std::size_t> lengths() {
    std::vector<std::size_t> all;
    for (std::size_t n = 0; n <= 130; ++n) all.push_back(n);
    for (const std::size_t n : {255, 256, 1023, 1024, 4099, 12001, 65536}) all.push_back(n);
    return all;
}

}  // namespace native
