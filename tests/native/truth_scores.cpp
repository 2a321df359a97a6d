#include <algorithm>
#include <cmath>
#include <limits>

#include "truth.hpp"

namespace truth {

// Softmax of z / T and, after Liu et al. 2020, the energy -T log sum exp(z / T).
Confidence confidence(const float* logits, std::size_t classes, double temperature) {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    constexpr double infinity = std::numeric_limits<double>::infinity();
    std::size_t best = 0;
    for (std::size_t k = 0; k < classes; ++k) {
        if (!(logits[k] < infinity)) return {nan, nan, nan, nan, -1};
        if (logits[k] > logits[best]) best = k;
    }
    const double most = logits[best];
    if (most == -infinity) return {nan, nan, nan, nan, -1};

    double total = 0, weighted = 0, second = -infinity;
    for (std::size_t k = 0; k < classes; ++k) {
        const double shifted = (logits[k] - most) / temperature, e = std::exp(shifted);
        total += e;
        if (e > 0) weighted += e * shifted;
        if (k != best) second = std::max(second, shifted);
    }
    const double margin = classes > 1 ? -std::expm1(second) / total : 1 / total;
    return {1 / total, std::log(total) - weighted / total, margin,
            -(most + temperature * std::log(total)), static_cast<std::int64_t>(best)};
}

double change(const float* previous, const float* current, std::size_t width, Change kind) {
    double pp = 0, cc = 0, pc = 0, dd = 0;
    for (std::size_t i = 0; i < width; ++i) {
        const double p = previous[i], c = current[i];
        pp += p * p, cc += c * c, pc += p * c, dd += (c - p) * (c - p);
    }
    if (!std::isfinite(pp) || !std::isfinite(cc)) return std::numeric_limits<double>::quiet_NaN();
    if (pp == 0 && cc == 0) return 0;
    if (kind == Change::relative_l2)
        return pp == 0 ? std::numeric_limits<double>::infinity() : std::sqrt(dd / pp);
    if (pp == 0 || cc == 0) return 1;
    const double p_norm = std::sqrt(pp), c_norm = std::sqrt(cc);
    if (kind == Change::cosine) return 1 - pc / (p_norm * c_norm);
    double squares = 0;
    for (std::size_t i = 0; i < width; ++i) {
        const double gap = current[i] / c_norm - previous[i] / p_norm;
        squares += gap * gap;
    }
    return std::sqrt(squares);
}

}  // namespace truth
