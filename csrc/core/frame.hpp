// The wire format of version 1: header layout, encodings and the checks before anything is read.
// The Python side keeps the same rules in coinfer_kernels/_frame.py; docs/kernels.md has the table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>

#include "simd/kernels.hpp"

namespace coinfer {

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "frames are little-endian and are written as they lie in memory"
#endif

enum class Encoding : std::uint8_t {
    raw = 1,
    fp16 = 2,
    int8 = 3,
    bf16 = 4,
    int8_channel = 5,
    int4 = 6,
    int4_channel = 7,
    int4_group32 = 8,
    sparse_fp32 = 9,
    sparse_fp16 = 10,
    sparse_int8 = 11,
};
constexpr std::uint8_t last_encoding = 11;

struct Header {
    char magic[4];
    std::uint8_t version;
    std::uint8_t encoding;
    std::uint8_t dtype;
    std::uint8_t ndim;
    std::uint16_t flags;
    std::uint16_t parameter;
    std::uint32_t table_bytes;
    std::uint32_t dims[4];
    std::uint64_t payload_bytes;
    float scale;
    std::int32_t zero_point;
    std::uint8_t reserved[12];
    std::uint32_t crc;
};
static_assert(sizeof(Header) == 64, "the header has no padding");

constexpr std::size_t header_bytes = sizeof(Header);
constexpr std::size_t crc_offset = offsetof(Header, crc);
constexpr unsigned max_dims = 4;
constexpr std::uint64_t max_elements = std::uint64_t{1} << 28;
constexpr std::uint16_t flag_crc = 1;

// A float32 scale and a zero point of one byte, for each channel or group.
constexpr std::size_t quantiser_bytes = 5;

// A malformed frame, and the header field at fault.
struct Fault : std::runtime_error {
    Fault(const char* at, const std::string& message) : std::runtime_error(message), field(at) {}
    const char* field;
};

constexpr bool is_sparse(Encoding encoding) {
    return encoding == Encoding::sparse_fp32 || encoding == Encoding::sparse_fp16 ||
           encoding == Encoding::sparse_int8;
}

constexpr bool is_per_channel(Encoding encoding) {
    return encoding == Encoding::int8_channel || encoding == Encoding::int4_channel;
}

// The integers that an affine encoding writes.
constexpr Levels levels_of(Encoding encoding) {
    return encoding == Encoding::int4 || encoding == Encoding::int4_channel ||
                   encoding == Encoding::int4_group32
               ? int4_levels
               : int8_levels;
}

// As many of the largest step as there are levels give the largest float.
constexpr float max_scale(Levels levels) {
    return std::numeric_limits<float>::max() / static_cast<float>(levels.most - levels.least);
}

// Bytes of `count` values, those that are kept of a sparse tensor.
constexpr std::size_t value_bytes(Encoding encoding, std::size_t count) {
    switch (encoding) {
        case Encoding::raw:
        case Encoding::sparse_fp32:
            return 4 * count;
        case Encoding::fp16:
        case Encoding::bf16:
        case Encoding::sparse_fp16:
            return 2 * count;
        case Encoding::int8:
        case Encoding::int8_channel:
        case Encoding::sparse_int8:
            return count;
        case Encoding::int4:
        case Encoding::int4_channel:
        case Encoding::int4_group32:
            return count / 2 + count % 2;
    }
    return 0;
}

// Whether a tensor fits into a frame; a zero counts as one in the product of the dimensions.
template <typename Dim>
bool fits(const Dim* dims, unsigned ndim) {
    std::uint64_t product = 1;
    if (ndim > max_dims) return false;
    for (unsigned i = 0; i < ndim; ++i) {
        const auto dim = static_cast<std::uint64_t>(dims[i]);
        if (dim > max_elements) return false;  // so that the product below cannot overflow
        if (dim > 0) product *= dim;
        if (product > max_elements) return false;
    }
    return true;
}

// Reads and checks a header in the order that _frame.py documents, and the frame's length.
Header parse(const std::uint8_t* frame, std::size_t length);

// Elements of a checked header.
std::size_t elements(const Header& header);

// What encoding and shape ask of these fields.
std::uint16_t parameter_of(const Header& header);
std::uint32_t table_bytes_of(const Header& header);

// A tensor as (outer, channels, inner); one dimension or none is one channel.
struct Channels {
    std::size_t outer;
    std::size_t count;
    std::size_t inner;
};
Channels channels_of(const Header& header);

}  // namespace coinfer
