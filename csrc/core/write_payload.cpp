#include <cstring>
#include <memory>

#include "core/payload.hpp"

namespace coinfer {
namespace {

// The elements of a tensor, piece by piece: f(first, count, float32 elements).
class Floats {
public:
    Floats(const Kernels&, const float* x, std::size_t count) : x_(x), count_(count) {}
    template <typename Function>
    void each(const Function& f) const {
        if (count_ > 0) f(std::size_t{0}, count_, x_);
    }
    const float* whole() const { return x_; }

private:
    const float* x_;
    std::size_t count_;
};

class Halves {
public:
    Halves(const Kernels& kernels, const std::uint16_t* x, std::size_t count)
        : kernels_(kernels), x_(x), count_(count) {}
    template <typename Function>
    void each(const Function& f) const {
        float block[block_elements];
        for (std::size_t first = 0; first < count_; first += block_elements) {
            const std::size_t part = std::min(block_elements, count_ - first);
            widen(first, part, block);
            f(first, part, static_cast<const float*>(block));
        }
    }
    // A channel's elements lie anywhere.
    const float* whole() {
        whole_.reset(new float[count_]);
        widen(0, count_, whole_.get());
        return whole_.get();
    }

private:
    void widen(std::size_t first, std::size_t count, float* out) const {
        kernels_.widen(reinterpret_cast<const std::uint8_t*>(x_ + first), count, out);
    }

    const Kernels& kernels_;
    const std::uint16_t* x_;
    std::size_t count_;
    std::unique_ptr<float[]> whole_;
};

template <typename Source>
Affine tensor_quantiser(const Kernels& kernels, const Source& source, Header& header) {
    Span range{0.0f, 0.0f};
    source.each([&](std::size_t, std::size_t count, const float* x) {
        range = merged(range, kernels.span(x, count));
    });
    const Affine quantiser = affine(range, static_cast<Encoding>(header.encoding));
    header.scale = quantiser.scale;
    header.zero_point = quantiser.zero_point;
    return quantiser;
}

void write_channels(const Kernels& kernels, const float* x, const Header& header,
                    std::uint8_t* payload) {
    const ChannelCodec channels(kernels, header, x, payload);
    std::uint8_t* const values = payload + header.table_bytes;
    const std::size_t count = elements(header);
    if (static_cast<Encoding>(header.encoding) == Encoding::int8_channel) {
        channels.quantise(x, 0, count, reinterpret_cast<std::int8_t*>(values));
        return;
    }
    std::int8_t codes[block_elements];
    for (std::size_t first = 0; first < count; first += block_elements) {
        const std::size_t part = std::min(block_elements, count - first);
        channels.quantise(x + first, first, part, codes);
        kernels.pack4(codes, part, values + first / 2);
    }
}

// Says which error it is that the kernel met.
[[noreturn]] void refuse_groups(const Kernels& kernels, const float* x, std::size_t count) {
    const Span all = kernels.span(x, count);
    if (!std::isnan(all.low))
        for (std::size_t at = 0; at < count; at += group_elements)
            affine(kernels.span(x + at, std::min(group_elements, count - at)),
                   Encoding::int4_group32);
    throw Unquantisable{Encoding::int4_group32, all.low, all.high};
}

void write_groups(const Kernels& kernels, const float* x, std::size_t count, std::uint8_t* scales,
                  std::uint8_t* zero_points, std::uint8_t* packed) {
    const std::size_t groups = count / group_elements, whole = groups * group_elements;
    bool fits = kernels.quantise_groups(x, groups, scales, zero_points, packed);
    if (const std::size_t rest = count - whole; fits && rest > 0) {
        float group[group_elements] = {};
        std::uint8_t bytes[group_elements / 2];
        std::memcpy(group, x + whole, rest * sizeof(float));
        fits = kernels.quantise_groups(group, 1, scales + groups * sizeof(float),
                                       zero_points + groups, bytes);
        if (rest % 2 != 0) bytes[rest / 2] &= 15;
        std::memcpy(packed + whole / 2, bytes, (rest + 1) / 2);
    }
    if (!fits) refuse_groups(kernels, x, count);
}

template <typename Source>
std::size_t write_sparse(const Kernels& kernels, const Source& source, Header& header,
                         std::uint8_t* bitmap) {
    const auto encoding = static_cast<Encoding>(header.encoding);
    Affine quantiser{};
    if (encoding == Encoding::sparse_int8) quantiser = tensor_quantiser(kernels, source, header);
    std::uint8_t* const values = bitmap + header.table_bytes;
    std::size_t kept = 0;
    source.each([&](std::size_t first, std::size_t count, const float* x) {
        if (encoding == Encoding::sparse_fp32) {
            kept += kernels.compress(x, count, bitmap + first / 8, values + kept * sizeof(float));
            return;
        }
        float block[block_elements];
        for (std::size_t at = 0; at < count; at += block_elements) {
            const std::size_t part = std::min(block_elements, count - at);
            const std::size_t found =
                kernels.compress(x + at, part, bitmap + (first + at) / 8,
                                 reinterpret_cast<std::uint8_t*>(block));
            if (encoding == Encoding::sparse_fp16)
                kernels.narrow(block, found, values + 2 * kept);
            else
                kernels.quantise(block, found, quantiser.inverse, quantiser.zero_point,
                                 int8_levels, reinterpret_cast<std::int8_t*>(values + kept));
            kept += found;
        }
    });
    return value_bytes(encoding, kept);
}

template <typename Source>
std::size_t write(const Kernels& kernels, Source source, Header& header, std::uint8_t* payload) {
    const auto encoding = static_cast<Encoding>(header.encoding);
    switch (encoding) {
        case Encoding::raw:
            source.each([&](std::size_t first, std::size_t count, const float* x) {
                kernels.copy(reinterpret_cast<const std::uint8_t*>(x), 4 * count,
                             payload + 4 * first);
            });
            break;
        case Encoding::fp16:
            source.each([&](std::size_t first, std::size_t count, const float* x) {
                kernels.narrow(x, count, payload + 2 * first);
            });
            break;
        case Encoding::bf16:
            source.each([&](std::size_t first, std::size_t count, const float* x) {
                kernels.narrow_bf16(x, count, payload + 2 * first);
            });
            break;
        case Encoding::int8: {
            const Affine q = tensor_quantiser(kernels, source, header);
            source.each([&](std::size_t first, std::size_t count, const float* x) {
                kernels.quantise(x, count, q.inverse, q.zero_point, int8_levels,
                                 reinterpret_cast<std::int8_t*>(payload + first));
            });
            break;
        }
        case Encoding::int4: {
            const Affine q = tensor_quantiser(kernels, source, header);
            source.each([&](std::size_t first, std::size_t count, const float* x) {
                kernels.quantise4(x, count, q.inverse, q.zero_point, payload + first / 2);
            });
            break;
        }
        case Encoding::int8_channel:
        case Encoding::int4_channel:
            write_channels(kernels, source.whole(), header, payload);
            break;
        case Encoding::int4_group32: {
            const std::size_t groups = header.table_bytes / quantiser_bytes;
            source.each([&](std::size_t first, std::size_t count, const float* x) {
                write_groups(kernels, x, count,
                             payload + first / group_elements * sizeof(float),
                             payload + groups * sizeof(float) + first / group_elements,
                             payload + header.table_bytes + first / 2);
            });
            break;
        }
        case Encoding::sparse_fp32:
        case Encoding::sparse_fp16:
        case Encoding::sparse_int8:
            return write_sparse(kernels, source, header, payload);
    }
    return value_bytes(encoding, elements(header));
}

}  // namespace

std::size_t write_payload(const Kernels& kernels, const float* x, Header& header,
                          std::uint8_t* payload) {
    return write(kernels, Floats(kernels, x, elements(header)), header, payload);
}

std::size_t write_payload(const Kernels& kernels, const std::uint16_t* halves, Header& header,
                          std::uint8_t* payload) {
    const std::size_t count = elements(header);
    if (static_cast<Encoding>(header.encoding) == Encoding::fp16) {
        kernels.copy(reinterpret_cast<const std::uint8_t*>(halves), 2 * count, payload);
        return 2 * count;
    }
    return write(kernels, Halves(kernels, halves, count), header, payload);
}

}  // namespace coinfer
