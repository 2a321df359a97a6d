// The wire format of version 1: header layout, encodings and the checks before anything is read.
// The Python side keeps the same rules in coinfer_kernels/_frame.py; docs/kernels.md has the table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>

namespace coinfer {

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "frames are little-endian and are written as they lie in memory"
#endif

enum class Encoding : std::uint8_t { raw = 1, fp16 = 2, int8 = 3 };

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

// The smallest step still has a finite reciprocal; 255 of the largest are the largest float.
constexpr float min_scale = std::numeric_limits<float>::min();
constexpr float max_scale = std::numeric_limits<float>::max() / 255.0f;

// A malformed frame, and the header field at fault.
struct Fault : std::runtime_error {
    Fault(const char* at, const std::string& message) : std::runtime_error(message), field(at) {}
    const char* field;
};

constexpr std::size_t element_bytes(Encoding encoding) {
    return encoding == Encoding::raw ? 4 : encoding == Encoding::fp16 ? 2 : 1;
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

}  // namespace coinfer
