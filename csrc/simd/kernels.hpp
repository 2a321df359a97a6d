// What every instruction set provides, and how one is chosen.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace coinfer {

struct Span {
    float low;
    float high;
};

struct Scores {
    float* max_prob;
    float* entropy;
    float* margin;
    float* energy;
    std::int64_t* label;
};

enum class Rule { max_prob, entropy, margin, energy };

enum class Change { l2, relative_l2, cosine };

// Rows of a matrix: those listed, or without a list the first `count`. Of an output for all rows,
// only the entries of these are written.
struct Rows {
    const std::uint32_t* list;
    std::size_t count;
};

// A temperature T in the forms that the kernels multiply with; made by `tempered`.
struct Temperature {
    float value;    // T
    float inverse;  // 1 / T
    float binary;   // from a difference of logits to the power of two that is its exponential
    float natural;  // from such a power to the natural exponent
};

// The integers a quantiser writes.
struct Levels {
    std::int32_t least;
    std::int32_t most;
};
constexpr Levels int8_levels = {-128, 127};
constexpr Levels int4_levels = {0, 15};

// The smallest step still has a finite reciprocal.
constexpr float min_scale = std::numeric_limits<float>::min();

constexpr std::size_t group_elements = 32;

// Inputs and outputs of floats are aligned to 4 bytes; bytes (frames) have any alignment.
struct Kernels {
    const char* name;
    void (*copy)(const std::uint8_t* from, std::size_t bytes, std::uint8_t* to);
    // CRC32C, continued from `crc`.
    std::uint32_t (*crc32c)(const std::uint8_t* data, std::size_t length, std::uint32_t crc);
    // Least and largest of x and zero; NaN in both when an element is not finite.
    Span (*span)(const float* x, std::size_t count);
    // clip(rint(x * inverse) + zero_point) into the levels, for x within the span that gave the
    // quantiser (its products are small integers, whatever the rounding).
    void (*quantise)(const float* x, std::size_t count, float inverse, std::int32_t zero_point,
                     Levels levels, std::int8_t* codes);
    // (q - zero_point) * scale
    void (*dequantise)(const std::int8_t* codes, std::size_t count, float scale,
                       std::int32_t zero_point, float* out);
    // The same with two four-bit codes a byte, the first one in the low half.
    void (*quantise4)(const float* x, std::size_t count, float inverse, std::int32_t zero_point,
                      std::uint8_t* packed);
    void (*dequantise4)(const std::uint8_t* packed, std::size_t count, float scale,
                        std::int32_t zero_point, float* out);
    void (*pack4)(const std::int8_t* codes, std::size_t count, std::uint8_t* packed);
    void (*unpack4)(const std::uint8_t* packed, std::size_t count, std::int8_t* codes);
    // Whole groups of 32 elements, each with a four-bit quantiser of its own. False when an
    // element is not finite or a group spans more than float32 can hold.
    bool (*quantise_groups)(const float* x, std::size_t groups, std::uint8_t* scales,
                            std::uint8_t* zero_points, std::uint8_t* packed);
    void (*dequantise_groups)(const std::uint8_t* scales, const std::uint8_t* zero_points,
                              const std::uint8_t* packed, std::size_t groups, float* out);
    // The quantisers of ranges; false when a range is not finite or has an infinite width.
    bool (*quantisers)(const float* lows, const float* highs, std::size_t count, Levels levels,
                       float* scales, float* inverses, std::int32_t* zero_points);
    // A matrix, stored row by row, with a quantiser for each of its columns.
    // span_columns extends the columns' ranges, zero to begin with, and leaves what is not finite
    // in them.
    void (*span_columns)(const float* x, std::size_t rows, std::size_t columns, float* lows,
                         float* highs);
    void (*quantise_columns)(const float* x, std::size_t columns, const float* inverses,
                             const std::int32_t* zero_points, Levels levels, std::int8_t* codes);
    void (*dequantise_columns)(const std::int8_t* codes, std::size_t columns, const float* scales,
                               const std::int32_t* zero_points, float* out);
    // float32 to little-endian float16, to nearest even, and back.
    void (*narrow)(const float* x, std::size_t count, std::uint8_t* out);
    void (*widen)(const std::uint8_t* halves, std::size_t count, float* out);
    // The same for the upper halves of float32.
    void (*narrow_bf16)(const float* x, std::size_t count, std::uint8_t* out);
    void (*widen_bf16)(const std::uint8_t* halves, std::size_t count, float* out);
    // Writes a bit for each element, set where the element has a bit set, and such elements one
    // after another; returns their number. `values` has room for all `count` elements and may
    // be overwritten up to there.
    std::size_t (*compress)(const float* x, std::size_t count, std::uint8_t* bitmap,
                            std::uint8_t* values);
    // The reverse; returns how many of the `available` values, at least as many as there are
    // bits set, were taken. What lies beyond them is not read.
    std::size_t (*expand)(const std::uint8_t* bitmap, std::size_t count,
                          const std::uint8_t* values, std::size_t available, float* out);
    // Number of bits set.
    std::size_t (*population)(const std::uint8_t* bytes, std::size_t count);
    // Confidence of rows; classes >= 1.
    void (*scores)(const float* logits, std::size_t classes, Rows rows,
                   const Temperature& temperature, Scores out);
    // Whether the score of a rule, as `scores` gives it, is at least (max_prob, margin) or at most
    // (entropy, energy) the bound; false for a row without scores.
    void (*decide)(const float* logits, std::size_t classes, Rows rows,
                   const Temperature& temperature, Rule rule, float bound, bool* out);
    // Feature change of rows.
    void (*change)(const float* previous, const float* current, std::size_t width, Rows rows,
                   Change kind, float* out);
};

// The sets that were compiled in and that this processor has, the best one first.
std::vector<const Kernels*> available();

extern const Kernels baseline;
extern const Kernels avx2;
extern const Kernels avx512;
extern const Kernels neon;

}  // namespace coinfer
