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

void check_payload_bytes(const Header& header) {
    const auto encoding = static_cast<Encoding>(header.encoding);
    const auto said = std::to_string(header.payload_bytes);
    const std::uint64_t most = header.table_bytes + value_bytes(encoding, elements(header));
    if (!is_sparse(encoding)) {
        if (header.payload_bytes != most)
            refuse("payload_bytes", said + ", but the shape needs " + std::to_string(most));
        return;
    }
    if (header.payload_bytes < header.table_bytes || header.payload_bytes > most)
        refuse("payload_bytes", said + ", but the shape needs " +
                                    std::to_string(header.table_bytes) + " to " +
                                    std::to_string(most));
    if ((header.payload_bytes - header.table_bytes) % value_bytes(encoding, 1) != 0)
        refuse("payload_bytes", said + " are no whole number of values");
}

void check_quantiser(const Header& header) {
    const auto encoding = static_cast<Encoding>(header.encoding);
    if (encoding == Encoding::int8 || encoding == Encoding::int4 ||
        encoding == Encoding::sparse_int8) {
        const Levels levels = levels_of(encoding);
        // Written so that NaN is refused, too.
        if (!(header.scale >= min_scale && header.scale <= max_scale(levels)))
            refuse("scale", "not a usable step");
        if (header.zero_point < levels.least || header.zero_point > levels.most)
            refuse("zero_point", std::to_string(header.zero_point) + " is outside " +
                                     std::to_string(levels.least) + ".." +
                                     std::to_string(levels.most));
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

Channels channels_of(const Header& header) {
    if (header.ndim < 2) return {1, 1, elements(header)};
    Channels channels{header.dims[0], header.dims[1], 1};
    for (unsigned i = 2; i < header.ndim; ++i) channels.inner *= header.dims[i];
    return channels;
}

std::uint16_t parameter_of(const Header& header) {
    const auto encoding = static_cast<Encoding>(header.encoding);
    if (encoding == Encoding::int4_group32) return group_elements;
    return is_per_channel(encoding) && header.ndim >= 2 ? 1 : 0;
}

std::uint32_t table_bytes_of(const Header& header) {
    const auto encoding = static_cast<Encoding>(header.encoding);
    const std::size_t count = elements(header);
    std::size_t bytes = 0;
    if (is_sparse(encoding)) bytes = (count + 7) / 8;
    if (is_per_channel(encoding)) bytes = quantiser_bytes * channels_of(header).count;
    if (encoding == Encoding::int4_group32)
        bytes = quantiser_bytes * ((count + group_elements - 1) / group_elements);
    return static_cast<std::uint32_t>(bytes);  // at most 5 * max_elements
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
    if (header.encoding < 1 || header.encoding > last_encoding)
        refuse("encoding", "code " + std::to_string(header.encoding) + " is unknown");
    if (header.dtype != 1)
        refuse("dtype", "code " + std::to_string(header.dtype) + " is unknown");
    if (header.ndim > max_dims)
        refuse("ndim", std::to_string(header.ndim) + " is more than 4");
    if ((header.flags & ~flag_crc) != 0) refuse("flags", "unknown bits");
    const auto parameter = parameter_of(header);
    if (header.parameter != parameter)
        refuse("parameter", std::to_string(header.parameter) + ", but the encoding needs " +
                                std::to_string(parameter));
    for (unsigned i = header.ndim; i < max_dims; ++i)
        if (header.dims[i] != 0) refuse("dims", "dimensions beyond the used ones must be zero");
    if (!fits(header.dims, header.ndim)) refuse("dims", "the shape has too many elements");

    const auto table_bytes = table_bytes_of(header);
    if (header.table_bytes != table_bytes)
        refuse("table_bytes", std::to_string(header.table_bytes) + ", but the shape needs " +
                                  std::to_string(table_bytes));
    check_payload_bytes(header);
    check_quantiser(header);
    if (any(header.reserved, sizeof header.reserved))
        refuse("reserved", "reserved bytes must be zero");
    if (header.crc != 0 && (header.flags & flag_crc) == 0)
        refuse("crc", "a checksum is present but its flag is not set");
    const std::uint64_t expected = header_bytes + header.payload_bytes;
    if (length != expected)
        refuse("length", std::to_string(length) + " bytes, the header says " +
                             std::to_string(expected));
    return header;
}

}  // namespace coinfer
