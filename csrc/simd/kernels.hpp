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

enum class Change { l2, relative_l2, cosine };

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
    // Confidence of each row; classes >= 1.
    void (*scores)(const float* logits, std::size_t rows, std::size_t classes, Scores out);
    // Feature change of each row.
    void (*change)(const float* previous, const float* current, std::size_t rows,
                   std::size_t width, Change kind, float* out);
};

// The sets that were compiled in and that this processor has, the best one first.
std::vector<const Kernels*> available();

extern const Kernels baseline;
extern const Kernels avx2;
extern const Kernels avx512;

}  // namespace coinfer
