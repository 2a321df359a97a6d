#include "core/frame.hpp"

#include <algorithm>
#include <cstring>

namespace coinfer {
namespace {

[[noreturn]] void refuse(const char* field, const std::string& message) {
    throw Fault(field, message);
}

bool any(const std::uint8_t* first, std::size_t count) {
    return std::any_of(first, first + count, [](std::uint8_t byte) { return byte != 0; });
}

void check_quantiser(const Header& header) {
    if (header.encoding == static_cast<std::uint8_t>(Encoding::int8)) {
        // Written so that NaN is refused, too.
        if (!(header.scale >= min_scale && header.scale <= max_scale))
            refuse("scale", "not a usable step");
        if (header.zero_point < -128 || header.zero_point > 127)
            refuse("zero_point", std::to_string(header.zero_point) + " is outside -128..127");
        return;
    }
    std::uint32_t scale_bits;
    std::memcpy(&scale_bits, &header.scale, sizeof scale_bits);
    if (scale_bits != 0) refuse("scale", "must be zero for this encoding");
    if (header.zero_point != 0) refuse("zero_point", "must be zero for this encoding");
}

}  // namespace

std::size_t elements(const Header& header) {
    std::size_t product = 1;
    for (unsigned i = 0; i < header.ndim; ++i) product *= header.dims[i];
    return product;
}

Header parse(const std::uint8_t* frame, std::size_t length) {
    if (length < header_bytes)
        refuse("length", std::to_string(length) + " bytes are shorter than the header (64)");
    Header header;
    std::memcpy(&header, frame, sizeof header);

    if (std::memcmp(header.magic, "CIKF", 4) != 0)
        refuse("magic", "these bytes are not a coinfer frame");
    if (header.version != 1)
        refuse("version", std::to_string(header.version) + " is unknown (this library reads 1)");
    if (header.encoding < 1 || header.encoding > 3)
        refuse("encoding", "code " + std::to_string(header.encoding) + " is unknown");
    if (header.dtype != 1)
        refuse("dtype", "code " + std::to_string(header.dtype) + " is unknown");
    if (header.ndim > max_dims)
        refuse("ndim", std::to_string(header.ndim) + " is more than 4");
    if ((header.flags & ~flag_crc) != 0) refuse("flags", "unknown bits");
    if (header.parameter != 0) refuse("parameter", "must be zero for this encoding");
    if (header.table_bytes != 0) refuse("table_bytes", "must be zero for this encoding");
    for (unsigned i = header.ndim; i < max_dims; ++i)
        if (header.dims[i] != 0) refuse("dims", "dimensions beyond the used ones must be zero");
    if (!fits(header.dims, header.ndim)) refuse("dims", "the shape has too many elements");

    const auto expected = element_bytes(static_cast<Encoding>(header.encoding)) * elements(header);
    if (header.payload_bytes != expected)
        refuse("payload_bytes", std::to_string(header.payload_bytes) + ", but the shape needs " +
                                    std::to_string(expected));
    check_quantiser(header);
    if (any(header.reserved, sizeof header.reserved))
        refuse("reserved", "reserved bytes must be zero");
    if (header.crc != 0 && (header.flags & flag_crc) == 0)
        refuse("crc", "a checksum is present but its flag is not set");
    if (length != header_bytes + expected)
        refuse("length", std::to_string(length) + " bytes, the header says " +
                             std::to_string(header_bytes + expected));
    return header;
}

}  // namespace coinfer
