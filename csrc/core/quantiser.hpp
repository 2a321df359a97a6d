// The affine quantiser's parameters, from the range of what it shall hold.
#pragma once

#include <algorithm>
#include <cmath>

#include "core/codec.hpp"

namespace coinfer {

struct Affine {
    float scale;
    float inverse;
    std::int32_t zero_point;
};

// Single float operations, in the order of the documentation: every back end gets the same bits.
inline Affine affine(const Span& span, Encoding encoding) {
    const Levels levels = levels_of(encoding);
    const float width = span.high - span.low;
    if (!std::isfinite(width)) throw Unquantisable{encoding, span.low, span.high};
    const float scale = std::max(width / static_cast<float>(levels.most - levels.least), min_scale);
    const float inverse = 1.0f / scale;
    const auto zero_point =
        levels.least - static_cast<std::int32_t>(std::nearbyint(span.low * inverse));
    return {scale, inverse, std::clamp(zero_point, levels.least, levels.most)};
}

// The range of both; not finite when one of them is not.
inline Span merged(const Span& a, const Span& b) {
    if (std::isnan(a.low) || std::isnan(b.low))
        return {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::quiet_NaN()};
    return {std::min(a.low, b.low), std::max(a.high, b.high)};
}

}  // namespace coinfer
