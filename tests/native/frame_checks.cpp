#include <algorithm>
#include <cmath>
#include <cstring>

#include "checks.hpp"
#include "frames.hpp"
#include "inputs.hpp"
#include "parts.hpp"

namespace native {
namespace {

struct Case {
    const coinfer::Kernels& kernels;
    const truth::Encoding& encoding;
    const truth::Floats& x;
    const truth::Shape& shape;
    std::size_t shift;  // of the frame; its header and values then lie at odd addresses
    const char* family;
};

void check_decoding(const Case& is, const truth::Frame& expected) {
    const std::size_t count = is.x.size();
    Block<std::uint8_t> frame(expected.bytes.size(), is.shift);
    Block<float> out(count, 4 * (is.shift % 4));
    std::copy(expected.bytes.begin(), expected.bytes.end(), frame.data());
    decode_frame(is.kernels, frame.data(), expected.bytes.size(), out.data());
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < count; ++i)
        wrong += !same(out[i], expected.decoded[i], is.encoding);
    expect(wrong == 0 && out.intact(), "%s decode %s, %zu elements (%s), shift %zu: %zu differ",
           is.kernels.name, is.encoding.name, count, is.family, is.shift, wrong);
}

// Rows that are further apart than they are long; what lies between belongs to others.
void check_rows(const Case& is, const truth::Frame& expected) {
    if (is.shape.empty() || is.x.empty()) return;
    constexpr float between = -7.5f;
    const std::size_t rows = is.shape[0], width = is.x.size() / rows;
    const std::size_t stride = width + is.shift % 4;
    const coinfer::Header header = coinfer::parse(expected.bytes.data(), expected.bytes.size());
    Block<float> out((rows - 1) * stride + width);
    std::fill_n(out.data(), (rows - 1) * stride + width, between);
    coinfer::decode_rows(is.kernels, header, expected.bytes.data(), out.data(), stride);
    std::size_t wrong = 0;
    for (std::size_t at = 0; at < (rows - 1) * stride + width; ++at) {
        const std::size_t row = at / stride, column = at % stride;
        wrong += column < width ? !same(out[at], expected.decoded[row * width + column], is.encoding)
                                : out[at] != between;
    }
    expect(wrong == 0 && out.intact(), "%s decode_rows %s, %zu of %zu elements, stride %zu",
           is.kernels.name, is.encoding.name, rows, width, stride);
}

// A tensor of float16 gives the frame of its exact float32 values.
void check_halves(const Case& is, bool crc) {
    const std::size_t count = is.x.size();
    truth::Floats widened;
    Block<std::uint16_t> halves(count, 2 * (is.shift % 5));
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint16_t half = truth::half_of(is.x[i]);
        halves[i] = (half & 0x7C00) == 0x7C00 && is.encoding.quantised() ? 0x3C00 : half;
        widened.push_back(truth::float_of_half(halves[i]));
        if (std::isnan(widened.back())) return;  // its bits are the encoder's choice
    }
    const truth::Frame expected = truth::encode(widened, is.shape, is.encoding, crc);
    const coinfer::Header header = header_of(is.encoding, is.shape);
    Block<std::uint8_t> frame(coinfer::largest_frame(header), is.shift);
    const std::size_t size =
        coinfer::encode(is.kernels, halves.data(), header, crc, frame.data());
    expect(frame.intact() && size == expected.bytes.size() &&
               std::equal(expected.bytes.begin(), expected.bytes.end(), frame.data()),
           "%s encode %s of %zu float16 (%s)", is.kernels.name, is.encoding.name, count, is.family);
}

void check_case(const Case& is, bool crc) {
    const std::size_t count = is.x.size();
    const truth::Frame expected = truth::encode(is.x, is.shape, is.encoding, crc);
    const coinfer::Header header = header_of(is.encoding, is.shape);
    Block<float> input(count, 4 * (is.shift % 5));
    Block<std::uint8_t> frame(coinfer::largest_frame(header), is.shift);
    if (count > 0) std::memcpy(input.data(), is.x.data(), count * sizeof(float));
    const std::size_t size = coinfer::encode(is.kernels, input.data(), header, crc, frame.data());
    expect(frame.intact(), "%s encode %s, %zu elements (%s), wrote beside the frame",
           is.kernels.name, is.encoding.name, count, is.family);
    const bool nan = std::any_of(is.x.begin(), is.x.end(), [](float v) { return std::isnan(v); });
    if (is.encoding.keeps_nan_bits() || !nan) {
        expect(size == expected.bytes.size() &&
                   std::equal(expected.bytes.begin(), expected.bytes.end(), frame.data()),
               "%s encode %s, %zu elements (%s), %zu dimensions, shift %zu", is.kernels.name,
               is.encoding.name, count, is.family, is.shape.size(), is.shift);
        check_decoding(is, expected);
        check_rows(is, expected);
        check_halves(is, crc);
    } else {
        truth::Frame own = expected;  // the bits of a NaN are the encoder's choice
        own.bytes.assign(frame.data(), frame.data() + size);
        check_decoding(is, own);
    }
}

}  // namespace

void check_frames(const coinfer::Kernels& kernels) {
    for (const truth::Encoding& encoding : truth::encodings())
        for (const std::size_t count : lengths())
            for (const Family family : families) {
                const truth::Floats x = tensor(family, count, encoding.quantised(), 4);
                const std::vector<truth::Shape> shapes = shapes_of(count);
                const bool every = encoding.scope == truth::Scope::channel && count < 4000;
                const std::size_t one = count % shapes.size();
                for (std::size_t k = every ? 0 : one; k < (every ? shapes.size() : one + 1); ++k)
                    check_case({kernels, encoding, x, shapes[k], (count + k) % 16, name_of(family)},
                               count % 2 == 0);
            }
}

}  // namespace native
