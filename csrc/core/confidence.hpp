// Exit confidence, exit decisions and feature change, over one set of kernels.
//
// A mask has one byte a row: rows whose byte is 0 are gone and are not looked at; nullptr means
// that all are there. Of a score or change, the entries of gone rows stay as they were; a
// decision about them is always false.
#pragma once

#include <cstddef>
#include <cstdint>

#include "simd/kernels.hpp"

namespace coinfer {

// temperature > 0 and finite, here and below; classes >= 1.
void exit_scores(const Kernels& kernels, const float* logits, std::size_t rows,
                 std::size_t classes, double temperature, const std::uint8_t* mask, Scores out);

// Which rows exit: confident is `score >= threshold`, for entropy and energy `<=`; never on NaN.
// The same as comparing what exit_scores writes, without computing more than the rule needs.
void should_exit(const Kernels& kernels, const float* logits, std::size_t rows,
                 std::size_t classes, Rule rule, double threshold, double temperature,
                 const std::uint8_t* mask, bool* out);

void feature_change(const Kernels& kernels, const float* previous, const float* current,
                    std::size_t rows, std::size_t width, Change kind, const std::uint8_t* mask,
                    float* out);

// Patience (PABEE, Zhou et al. 2020): how many exits in a row gave a row the same label, kept in
// `counts`, and whether that is at least `patience`. Label -1 agrees with nothing.
void count_agreement(const std::int64_t* previous, const std::int64_t* current,
                     std::int32_t* counts, std::size_t rows, std::int64_t patience,
                     const std::uint8_t* mask, bool* out);

// NaN and -1, or NaN, where the mask is 0: what a new array holds for gone rows.
void blank_gone(const std::uint8_t* mask, std::size_t rows, Scores out);
void blank_gone(const std::uint8_t* mask, std::size_t rows, float* out);

}  // namespace coinfer
