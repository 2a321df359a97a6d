// What the kernels must give, written for plainness: one element after the other, in float64 or in
// exact integers. Sources: docs/kernels.md and the papers it names; nothing here uses csrc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace truth {

using Bytes = std::vector<std::uint8_t>;
using Floats = std::vector<float>;
using Shape = std::vector<std::uint32_t>;

std::uint32_t bits_of(float value);
float float_of(std::uint32_t bits);

// CRC32C, continued from `crc`, bit by bit.
std::uint32_t crc32c(const std::uint8_t* data, std::size_t length, std::uint32_t crc);

// To nearest even, and exactly back. A NaN becomes a quiet NaN of no particular bits.
std::uint16_t half_of(float value);
// Bochs 2.7 rounds ties away from zero where it is to convert to half precision, half to even.
extern bool halves_tie_away;
float float_of_half(std::uint16_t half);
std::uint16_t bf16_of(float value);
float float_of_bf16(std::uint16_t bits);

enum class Values { raw, fp16, bf16, int8, int4 };
enum class Scope { tensor, channel, group32, sparse };

struct Encoding {
    const char* name;
    std::uint8_t code;
    Values values;
    Scope scope;

    bool quantised() const { return values == Values::int8 || values == Values::int4; }
    bool keeps_nan_bits() const { return values == Values::raw; }
};
const std::vector<Encoding>& encodings();
const Encoding& encoding_of(const Bytes& frame);

// Whether a quantiser can hold all elements: finite ones whose range is finite, too.
bool quantisable(const Floats& x, const Shape& shape, const Encoding& encoding);

// The frame of a tensor that is quantisable, and what it decodes to.
struct Frame {
    Bytes bytes;
    Floats decoded;
};
Frame encode(const Floats& x, const Shape& shape, const Encoding& encoding, bool crc);

// The elements of a frame that is known to be right.
Floats decode(const Bytes& frame);

struct Confidence {
    double max_prob, entropy, margin, energy;
    std::int64_t label;
};
Confidence confidence(const float* logits, std::size_t classes, double temperature);

enum class Change { l2, relative_l2, cosine };
double change(const float* previous, const float* current, std::size_t width, Change kind);

}  // namespace truth
