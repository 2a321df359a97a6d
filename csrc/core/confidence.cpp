#include "core/confidence.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace coinfer {
namespace {

constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();

// The bounds keep 0 * (1 / T) and -Inf * (1 / T) what they are at every T.
float normal(double value) {
    constexpr double least = std::numeric_limits<float>::min();
    constexpr double most = std::numeric_limits<float>::max();
    return static_cast<float>(std::clamp(value, least, most));
}

Temperature tempered(double temperature) {
    constexpr double log2_e = 1.4426950408889634;
    const float binary = normal(log2_e / temperature);
    // With the rounded value, so that its error does not count twice.
    return {normal(temperature), normal(1 / temperature), binary,
            normal(1 / (binary * temperature))};
}

// The float32 that float32 scores are compared with in place of a float64 threshold.
float bound_of(double threshold, bool from_below) {
    if (std::isinf(threshold)) return static_cast<float>(threshold);
    constexpr double most = std::numeric_limits<float>::max();
    const auto bound = static_cast<float>(std::clamp(threshold, -most, most));
    if (from_below) return bound < threshold ? std::nextafter(bound, infinity) : bound;
    return bound > threshold ? std::nextafter(bound, -infinity) : bound;
}

// Calls `work(first, some)` for all rows at once, or without a mask piece by piece: with the first
// row of the piece and a list of the rows that are there, counted from it.
template <typename Work>
void for_rows(const std::uint8_t* mask, std::size_t rows, const Work& work) {
    if (mask == nullptr) {
        work(0, Rows{nullptr, rows});
        return;
    }
    constexpr std::size_t piece = 1024;  // the list stays on the stack
    std::uint32_t list[piece];
    for (std::size_t first = 0; first < rows; first += piece) {
        const std::size_t last = std::min(first + piece, rows);
        std::size_t count = 0;
        for (std::size_t row = first; row < last; ++row) {
            list[count] = static_cast<std::uint32_t>(row - first);
            count += mask[row] != 0;
        }
        if (count > 0) work(first, Rows{list, count});
    }
}

}  // namespace

void exit_scores(const Kernels& kernels, const float* logits, std::size_t rows,
                 std::size_t classes, double temperature, const std::uint8_t* mask, Scores out) {
    const Temperature tempering = tempered(temperature);
    for_rows(mask, rows, [&](std::size_t first, Rows some) {
        kernels.scores(logits + first * classes, classes, some, tempering,
                       {out.max_prob + first, out.entropy + first, out.margin + first,
                        out.energy + first, out.label + first});
    });
}

void should_exit(const Kernels& kernels, const float* logits, std::size_t rows,
                 std::size_t classes, Rule rule, double threshold, double temperature,
                 const std::uint8_t* mask, bool* out) {
    const Temperature tempering = tempered(temperature);
    const bool from_below = rule == Rule::max_prob || rule == Rule::margin;
    const float bound = bound_of(threshold, from_below);
    if (mask != nullptr) std::fill_n(out, rows, false);
    for_rows(mask, rows, [&](std::size_t first, Rows some) {
        kernels.decide(logits + first * classes, classes, some, tempering, rule, bound,
                       out + first);
    });
}

void feature_change(const Kernels& kernels, const float* previous, const float* current,
                    std::size_t rows, std::size_t width, Change kind, const std::uint8_t* mask,
                    float* out) {
    for_rows(mask, rows, [&](std::size_t first, Rows some) {
        kernels.change(previous + first * width, current + first * width, width, some, kind,
                       out + first);
    });
}

void count_agreement(const std::int64_t* previous, const std::int64_t* current,
                     std::int32_t* counts, std::size_t rows, std::int64_t patience,
                     const std::uint8_t* mask, bool* out) {
    for (std::size_t row = 0; row < rows; ++row) {
        if (mask != nullptr && mask[row] == 0) {
            out[row] = false;
            continue;
        }
        const bool agrees = current[row] == previous[row] && current[row] != -1;
        const bool full = counts[row] == std::numeric_limits<std::int32_t>::max();
        counts[row] = agrees ? counts[row] + !full : 0;
        out[row] = counts[row] >= patience;
    }
}

void blank_gone(const std::uint8_t* mask, std::size_t rows, float* out) {
    for (std::size_t row = 0; row < rows; ++row)
        if (mask[row] == 0) out[row] = nan;
}

void blank_gone(const std::uint8_t* mask, std::size_t rows, Scores out) {
    for (float* scores : {out.max_prob, out.entropy, out.margin, out.energy})
        blank_gone(mask, rows, scores);
    for (std::size_t row = 0; row < rows; ++row)
        if (mask[row] == 0) out.label[row] = -1;
}

}  // namespace coinfer
