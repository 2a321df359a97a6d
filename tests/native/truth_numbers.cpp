#include <cmath>
#include <cstring>
#include <limits>

#include "truth.hpp"

namespace truth {

std::uint32_t bits_of(float value) {
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

float float_of(std::uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

std::uint32_t crc32c(const std::uint8_t* data, std::size_t length, std::uint32_t crc) {
    crc = ~crc;
    for (std::size_t i = 0; i < length; ++i) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) * 0x82F63B78u);
    }
    return ~crc;
}

bool halves_tie_away = false;

static double whole(double value) { return halves_tie_away ? std::round(value) : std::rint(value); }

std::uint16_t half_of(float value) {
    const auto sign = static_cast<std::uint16_t>(std::signbit(value) ? 0x8000 : 0);
    const double magnitude = std::fabs(static_cast<double>(value));
    if (std::isnan(value)) return sign | 0x7E00;
    if (magnitude >= 65520) return sign | 0x7C00;
    if (magnitude < 0x1p-14) return sign | static_cast<std::uint16_t>(whole(magnitude * 0x1p24));
    int exponent;
    const double fraction = std::frexp(magnitude, &exponent);  // in [1/2, 1)
    // 2^11 * fraction has the leading one and ten more bits; a carry runs into the exponent.
    const auto digits = static_cast<int>(whole(fraction * 0x1p11));
    return static_cast<std::uint16_t>(sign + ((exponent + 14) << 10) + digits - 0x400);
}

float float_of_half(std::uint16_t half) {
    const int exponent = (half >> 10) & 0x1F, digits = half & 0x3FF;
    double magnitude = std::ldexp(digits + (exponent > 0 ? 0x400 : 0),
                                  exponent > 0 ? exponent - 25 : -24);
    if (exponent == 0x1F)
        magnitude = digits == 0 ? std::numeric_limits<double>::infinity()
                                : std::numeric_limits<double>::quiet_NaN();
    return static_cast<float>(half & 0x8000 ? -magnitude : magnitude);
}

std::uint16_t bf16_of(float value) {
    const std::uint32_t bits = bits_of(value);
    const auto upper = static_cast<std::uint16_t>(bits >> 16);
    const std::uint32_t rest = bits & 0xFFFF;
    if (std::isnan(value)) return upper | 0x40;
    // Adding one to the upper half is the next number in bf16, up to infinity.
    const bool up = rest > 0x8000 || (rest == 0x8000 && (upper & 1));
    return static_cast<std::uint16_t>(upper + up);
}

float float_of_bf16(std::uint16_t bits) { return float_of(std::uint32_t{bits} << 16); }

}  // namespace truth
