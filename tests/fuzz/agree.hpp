// What must hold; a fuzzer takes an abort for a finding.
#pragma once

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "checks.hpp"
#include "core/codec.hpp"
#include "truth.hpp"

namespace fuzz {

inline void require(bool holds, const char* what, const coinfer::Kernels& kernels) {
    if (holds) return;
    std::fprintf(stderr, "%s: %s\n", kernels.name, what);
    std::abort();
}

// Bits, but for NaN where an encoding does not keep them.
inline bool same(const float* a, const float* b, std::size_t count,
                 const truth::Encoding& encoding) {
    for (std::size_t i = 0; i < count; ++i) {
        const bool nan = std::isnan(a[i]) && std::isnan(b[i]) && !encoding.keeps_nan_bits();
        if (!nan && truth::bits_of(a[i]) != truth::bits_of(b[i])) return false;
    }
    return true;
}

inline const std::vector<const coinfer::Kernels*>& sets() {
    static const std::vector<const coinfer::Kernels*> all = coinfer::available();
    return all;
}

}  // namespace fuzz
