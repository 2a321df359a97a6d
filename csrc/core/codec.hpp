// Frames from tensors and tensors from frames, over one set of kernels.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/frame.hpp"
#include "simd/kernels.hpp"

namespace coinfer {

// A quantiser was given a NaN or an infinity (then both are NaN), or too wide a range.
struct Unquantisable {
    Encoding encoding;
    float low;
    float high;

    std::string message() const;
};

// Most bytes that a frame of this encoding and shape can have; all have them but the sparse ones.
std::size_t largest_frame(const Header& header);

// Writes the frame of a tensor whose encoding and shape are in `header`, and returns its bytes.
// There must be room for the largest frame: a sparse one may be overwritten beyond its end.
std::size_t encode(const Kernels& kernels, const float* x, Header header, bool crc,
                   std::uint8_t* frame);

// The same for a tensor of float16, widened on the way.
std::size_t encode(const Kernels& kernels, const std::uint16_t* halves, Header header, bool crc,
                   std::uint8_t* frame);

// Throws Fault when the checksum of a parsed frame is wrong or its payload contradicts itself.
void verify(const Kernels& kernels, const Header& header, const std::uint8_t* frame);

// Writes the elements of a verified frame to `out`.
void decode(const Kernels& kernels, const Header& header, const std::uint8_t* frame, float* out);

// The same with the rows of the first dimension `stride` elements apart; needs a dimension.
void decode_rows(const Kernels& kernels, const Header& header, const std::uint8_t* frame,
                 float* out, std::size_t stride);

}  // namespace coinfer
