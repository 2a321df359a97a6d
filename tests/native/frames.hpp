// The core's codec as the checks use it.
#pragma once

#include <cmath>

#include "core/codec.hpp"
#include "truth.hpp"

namespace native {

inline coinfer::Header header_of(const truth::Encoding& encoding, const truth::Shape& shape) {
    coinfer::Header header = {{'C', 'I', 'K', 'F'}, 1, encoding.code, 1,
                              static_cast<std::uint8_t>(shape.size()), 0, 0, 0, {}, 0, 0.0f, 0,
                              {}, 0};
    for (std::size_t k = 0; k < shape.size(); ++k) header.dims[k] = shape[k];
    return header;
}

// Throws Fault.
inline coinfer::Header decode_frame(const coinfer::Kernels& kernels, const std::uint8_t* frame,
                                    std::size_t length, float* out) {
    const coinfer::Header header = coinfer::parse(frame, length);
    coinfer::verify(kernels, header, frame);
    coinfer::decode(kernels, header, frame, out);
    return header;
}

inline bool same(float actual, float expected, const truth::Encoding& encoding) {
    if (std::isnan(expected) && !encoding.keeps_nan_bits()) return std::isnan(actual);
    return truth::bits_of(actual) == truth::bits_of(expected);
}

}  // namespace native
