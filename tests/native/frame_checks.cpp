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

void check_case(const Case& is, bool crc) {
    const std::size_t count = is.x.size();
    const truth::Frame expected = truth::encode(is.x, is.shape, is.encoding, crc);
    const coinfer::Header header = header_of(is.encoding, is.shape);
    Block<float> input(count, 4 * (is.shift % 5));
    Block<std::uint8_t> frame(coinfer::largest_frame(header), is.shift);
    if (count > 0) std::memcpy(input.data(), is.x.data(), count * sizeof(float));
    const std::size_t size = encode_frame(is.kernels, input.data(), header, crc, frame.data());
    expect(frame.intact(), "%s encode %s, %zu elements (%s), wrote beside the frame",
           is.kernels.name, is.encoding.name, count, is.family);
    const bool nan = std::any_of(is.x.begin(), is.x.end(), [](float v) { return std::isnan(v); });
    if (is.encoding.keeps_nan_bits() || !nan) {
        expect(size == expected.bytes.size() &&
                   std::equal(expected.bytes.begin(), expected.bytes.end(), frame.data()),
               "%s encode %s, %zu elements (%s), %zu dimensions, shift %zu", is.kernels.name,
               is.encoding.name, count, is.family, is.shape.size(), is.shift);
        check_decoding(is, expected);
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
