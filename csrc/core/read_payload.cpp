#include <cstring>

#include "core/payload.hpp"

namespace coinfer {
namespace {

void check_quantisers(const std::uint8_t* table, std::size_t count, Levels levels) {
    const float most = max_scale(levels);
    bool usable = true;
    for (std::size_t i = 0; i < count; ++i) {
        float scale;
        std::memcpy(&scale, table + i * sizeof scale, sizeof scale);
        usable &= static_cast<int>(scale >= min_scale) & static_cast<int>(scale <= most);
    }
    if (!usable) throw Fault("scales", "not a usable step");
    if (levels.most > 15) return;  // every byte is a zero point
    std::uint8_t bits = 0;
    for (std::size_t i = 0; i < count; ++i) bits |= table[count * sizeof(float) + i];
    if (bits > 15) throw Fault("zero_points", "outside 0..15");
}

}  // namespace

void check_payload(const Kernels& kernels, const Header& header, const std::uint8_t* payload) {
    const auto encoding = static_cast<Encoding>(header.encoding);
    const std::size_t count = elements(header);
    if (is_per_channel(encoding) || encoding == Encoding::int4_group32)
        check_quantisers(payload, header.table_bytes / quantiser_bytes, levels_of(encoding));
    if (is_sparse(encoding)) {
        if (count % 8 != 0 && payload[count / 8] >> count % 8 != 0)
            throw Fault("bitmap", "bits beyond the last element must be zero");
        const std::size_t kept = kernels.population(payload, header.table_bytes);
        if (value_bytes(encoding, kept) != header.payload_bytes - header.table_bytes)
            throw Fault("bitmap", std::to_string(kept) + " bits are set, but there are " +
                                      std::to_string(header.payload_bytes - header.table_bytes) +
                                      " bytes of values");
    }
    if (value_bytes(encoding, 2) == 1 && count % 2 != 0 &&
        payload[header.payload_bytes - 1] > 15)
        throw Fault("padding", "the last half byte must be zero");
}

PayloadReader::PayloadReader(const Kernels& kernels, const Header& header,
                             const std::uint8_t* payload)
    : kernels_(kernels),
      header_(header),
      table_(payload),
      values_(payload + header.table_bytes) {
    if (is_per_channel(static_cast<Encoding>(header.encoding)))
        channels_.emplace(kernels, header, table_);
}

void PayloadReader::read(std::size_t count, float* out) {
    if (count == 0) return;
    const auto encoding = static_cast<Encoding>(header_.encoding);
    const std::uint8_t* const values = values_ + value_bytes(encoding, first_);
    const auto* const codes = reinterpret_cast<const std::int8_t*>(values);
    switch (encoding) {
        case Encoding::raw:
            kernels_.copy(values, count * sizeof(float), reinterpret_cast<std::uint8_t*>(out));
            break;
        case Encoding::fp16:
            kernels_.widen(values, count, out);
            break;
        case Encoding::bf16:
            kernels_.widen_bf16(values, count, out);
            break;
        case Encoding::int8:
            kernels_.dequantise(codes, count, header_.scale, header_.zero_point, out);
            break;
        case Encoding::int4:
            kernels_.dequantise4(values, count, header_.scale, header_.zero_point, out);
            break;
        case Encoding::int8_channel:
            channels_->dequantise(codes, first_, count, out);
            break;
        case Encoding::int4_channel: {
            std::int8_t unpacked[block_elements];
            for (std::size_t at = 0; at < count; at += block_elements) {
                const std::size_t part = std::min(block_elements, count - at);
                kernels_.unpack4(values + at / 2, part, unpacked);
                channels_->dequantise(unpacked, first_ + at, part, out + at);
            }
            break;
        }
        case Encoding::int4_group32:
            read_groups(count, out);
            break;
        case Encoding::sparse_fp32:
        case Encoding::sparse_fp16:
        case Encoding::sparse_int8:
            read_sparse(count, out);
            break;
    }
    first_ += count;
}

void PayloadReader::read_groups(std::size_t count, float* out) const {
    const std::size_t first = first_ / group_elements, groups = count / group_elements;
    const std::size_t whole = groups * group_elements, rest = count - whole;
    const std::uint8_t* const scales = table_ + first * sizeof(float);
    const std::uint8_t* const zero_points =
        table_ + header_.table_bytes / quantiser_bytes * sizeof(float) + first;
    const std::uint8_t* const packed = values_ + first_ / 2;
    kernels_.dequantise_groups(scales, zero_points, packed, groups, out);
    if (rest == 0) return;
    float scale;
    std::memcpy(&scale, scales + groups * sizeof scale, sizeof scale);
    kernels_.dequantise4(packed + whole / 2, rest, scale, zero_points[groups], out + whole);
}

void PayloadReader::read_sparse(std::size_t count, float* out) {
    const auto encoding = static_cast<Encoding>(header_.encoding);
    const std::size_t width = value_bytes(encoding, 1);
    const std::size_t total = (header_.payload_bytes - header_.table_bytes) / width;
    const std::uint8_t* const bitmap = table_ + first_ / 8;
    if (encoding == Encoding::sparse_fp32) {
        taken_ += kernels_.expand(bitmap, count, values_ + taken_ * width, total - taken_, out);
        return;
    }
    // With room behind the values, so that the kernel need not look where they end.
    constexpr std::size_t slack = 64;
    float block[block_elements + slack];
    for (std::size_t at = 0; at < count; at += block_elements) {
        const std::size_t part = std::min(block_elements, count - at);
        const std::size_t present = kernels_.population(bitmap + at / 8, (part + 7) / 8);
        const std::uint8_t* const values = values_ + taken_ * width;
        if (encoding == Encoding::sparse_fp16)
            kernels_.widen(values, present, block);
        else
            kernels_.dequantise(reinterpret_cast<const std::int8_t*>(values), present,
                                header_.scale, header_.zero_point, block);
        std::fill_n(block + present, slack, 0.0f);
        taken_ += kernels_.expand(bitmap + at / 8, part,
                                  reinterpret_cast<const std::uint8_t*>(block), present + slack,
                                  out + at);
    }
}

}  // namespace coinfer
