#include "core/codec.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace coinfer {
namespace {

struct Affine {
    float scale;
    float inverse;
    std::int32_t zero_point;
};

// Single float operations, in the order of _frame.affine_int8: every back end gets the same bits.
Affine affine_int8(const Span& span) {
    const float width = span.high - span.low;
    if (!std::isfinite(width)) throw Unquantisable{span.low, span.high};
    const float scale = std::max(width / 255.0f, min_scale);
    const float inverse = 1.0f / scale;
    const auto zero_point = -128 - static_cast<std::int32_t>(std::nearbyint(span.low * inverse));
    return {scale, inverse, std::clamp(zero_point, -128, 127)};
}

std::uint32_t checksum(const Kernels& kernels, const std::uint8_t* frame, std::size_t payload) {
    const std::uint32_t head = kernels.crc32c(frame, crc_offset, 0);
    return kernels.crc32c(frame + header_bytes, payload, head);
}

}  // namespace

void encode(const Kernels& kernels, const float* x, Header header, bool crc, std::uint8_t* frame) {
    const auto encoding = static_cast<Encoding>(header.encoding);
    const std::size_t count = elements(header);
    std::uint8_t* payload = frame + header_bytes;
    header.payload_bytes = count * element_bytes(encoding);
    header.flags = crc ? flag_crc : 0;
    switch (encoding) {
        case Encoding::raw:
            if (count > 0) std::memcpy(payload, x, count * sizeof(float));
            break;
        case Encoding::fp16:
            kernels.narrow(x, count, payload);
            break;
        case Encoding::int8: {
            const Affine affine = affine_int8(kernels.span(x, count));
            header.scale = affine.scale;
            header.zero_point = affine.zero_point;
            kernels.quantise(x, count, affine.inverse, affine.zero_point,
                             reinterpret_cast<std::int8_t*>(payload));
        }
    }
    std::memcpy(frame, &header, sizeof header);
    if (crc) {
        const std::uint32_t sum = checksum(kernels, frame, header.payload_bytes);
        std::memcpy(frame + crc_offset, &sum, sizeof sum);
    }
}

void verify(const Kernels& kernels, const Header& header, const std::uint8_t* frame) {
    if ((header.flags & flag_crc) != 0 &&
        checksum(kernels, frame, header.payload_bytes) != header.crc)
        throw Fault("crc", "the checksum does not match: header or payload is damaged");
}

void decode(const Kernels& kernels, const Header& header, const std::uint8_t* frame, float* out) {
    const std::size_t count = elements(header);
    const std::uint8_t* payload = frame + header_bytes;
    switch (static_cast<Encoding>(header.encoding)) {
        case Encoding::raw:
            if (count > 0) std::memcpy(out, payload, count * sizeof(float));
            break;
        case Encoding::fp16:
            kernels.widen(payload, count, out);
            break;
        case Encoding::int8:
            kernels.dequantise(reinterpret_cast<const std::int8_t*>(payload), count, header.scale,
                               header.zero_point, out);
    }
}

}  // namespace coinfer
