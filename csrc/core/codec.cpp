#include "core/codec.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "core/payload.hpp"

namespace coinfer {
namespace {

std::uint32_t checksum(const Kernels& kernels, const std::uint8_t* frame, std::size_t payload) {
    const std::uint32_t head = kernels.crc32c(frame, crc_offset, 0);
    return kernels.crc32c(frame + header_bytes, payload, head);
}

template <typename Elements>
std::size_t encode_elements(const Kernels& kernels, const Elements* x, Header& header, bool crc,
                            std::uint8_t* frame) {
    header.parameter = parameter_of(header);
    header.table_bytes = table_bytes_of(header);
    header.flags = crc ? flag_crc : 0;
    header.payload_bytes =
        header.table_bytes + write_payload(kernels, x, header, frame + header_bytes);
    std::memcpy(frame, &header, sizeof header);
    if (crc) {
        const std::uint32_t sum = checksum(kernels, frame, header.payload_bytes);
        std::memcpy(frame + crc_offset, &sum, sizeof sum);
    }
    return header_bytes + header.payload_bytes;
}

// As the encodings are called in Python, by code.
constexpr const char* names[] = {"?",           "raw",         "fp16",       "int8",
                                 "bf16",        "int8-channel", "int4",       "int4-channel",
                                 "int4-group32", "sparse-fp32", "sparse-fp16", "sparse-int8"};

}  // namespace

std::string Unquantisable::message() const {
    const std::string name = names[static_cast<std::size_t>(encoding)];
    if (std::isnan(low)) return name + " cannot encode x: it has a NaN or infinite element";
    char range[64];
    std::snprintf(range, sizeof range, "%g to %g", static_cast<double>(low),
                  static_cast<double>(high));
    return name + " cannot span " + range + ": the range overflows float32";
}

std::size_t largest_frame(const Header& header) {
    return header_bytes + table_bytes_of(header) +
           value_bytes(static_cast<Encoding>(header.encoding), elements(header));
}

std::size_t encode(const Kernels& kernels, const float* x, Header header, bool crc,
                   std::uint8_t* frame) {
    return encode_elements(kernels, x, header, crc, frame);
}

std::size_t encode(const Kernels& kernels, const std::uint16_t* halves, Header header, bool crc,
                   std::uint8_t* frame) {
    return encode_elements(kernels, halves, header, crc, frame);
}

void verify(const Kernels& kernels, const Header& header, const std::uint8_t* frame) {
    if ((header.flags & flag_crc) != 0 &&
        checksum(kernels, frame, header.payload_bytes) != header.crc)
        throw Fault("crc", "the checksum does not match: header or payload is damaged");
    check_payload(kernels, header, frame + header_bytes);
}

void decode(const Kernels& kernels, const Header& header, const std::uint8_t* frame, float* out) {
    PayloadReader(kernels, header, frame + header_bytes).read(elements(header), out);
}

void decode_rows(const Kernels& kernels, const Header& header, const std::uint8_t* frame,
                 float* out, std::size_t stride) {
    const std::size_t rows = header.dims[0], count = elements(header);
    if (count == 0) return;
    const std::size_t width = count / rows;
    PayloadReader reader(kernels, header, frame + header_bytes);
    if (rows == 1 || width == stride) {
        reader.read(count, out);
        return;
    }
    float block[block_elements];
    for (std::size_t first = 0; first < count; first += block_elements) {
        const std::size_t part = std::min(block_elements, count - first);
        reader.read(part, block);
        for (std::size_t at = 0; at < part;) {
            const std::size_t column = (first + at) % width;
            const std::size_t length = std::min(width - column, part - at);
            std::memcpy(out + (first + at) / width * stride + column, block + at,
                        length * sizeof(float));
            at += length;
        }
    }
}

}  // namespace coinfer
