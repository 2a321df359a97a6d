// What every instruction set provides, and how one is chosen.
#pragma once

#include <cstddef>
#include <cstdint>
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

// Inputs and outputs of floats are aligned to 4 bytes; bytes (frames) have any alignment.
struct Kernels {
    const char* name;
    // CRC32C, continued from `crc`.
    std::uint32_t (*crc32c)(const std::uint8_t* data, std::size_t length, std::uint32_t crc);
    // Least and largest of x and zero; NaN in both when an element is not finite.
    Span (*span)(const float* x, std::size_t count);
    // clip(rint(x * inverse) + zero_point, -128, 127)
    void (*quantise)(const float* x, std::size_t count, float inverse, std::int32_t zero_point,
                     std::int8_t* out);
    // (q - zero_point) * scale
    void (*dequantise)(const std::int8_t* q, std::size_t count, float scale,
                       std::int32_t zero_point, float* out);
    // float32 to little-endian float16, to nearest even, and back.
    void (*narrow)(const float* x, std::size_t count, std::uint8_t* out);
    void (*widen)(const std::uint8_t* halves, std::size_t count, float* out);
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
