// Frames from tensors and tensors from frames, over one set of kernels.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/frame.hpp"
#include "simd/kernels.hpp"

namespace coinfer {

// The int8 quantiser was given a NaN or an infinity (then both are NaN), or too wide a range.
struct Unquantisable {
    float low;
    float high;
};

// Fills in scale and zero point, payload and checksum of a frame whose shape is in `header`.
void encode(const Kernels& kernels, const float* x, Header header, bool crc, std::uint8_t* frame);

// Throws Fault when the checksum of a parsed frame is wrong.
void verify(const Kernels& kernels, const Header& header, const std::uint8_t* frame);

// Writes the elements of a parsed frame to `out`.
void decode(const Kernels& kernels, const Header& header, const std::uint8_t* frame, float* out);

}  // namespace coinfer
