// Arbitrary bytes into every reader. libFuzzer target; see the Makefile.
#include <algorithm>
#include <cstring>
#include <string>

#include "agree.hpp"
#include "repair.hpp"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

namespace fuzz {
namespace {

using coinfer::Header;
using coinfer::Kernels;
using native::Block;
using truth::Bytes;
using truth::Floats;

struct Outcome {
    std::string fault;  // the field; empty for an accepted frame
    Header header{};
    Floats x;
};

constexpr float untouched = 12345.0f;

// What lies between the rows belongs to others.
void check_rows(const Kernels& kernels, const Header& header, const std::uint8_t* frame,
                const Floats& x, const truth::Encoding& encoding) {
    const std::size_t rows = header.dims[0];
    if (header.ndim == 0 || rows == 0 || rows > 100000) return;
    const std::size_t width = x.size() / rows, stride = width + header.crc % 3;
    Block<float> out((rows - 1) * stride + width);
    std::fill_n(out.data(), (rows - 1) * stride + width, untouched);
    coinfer::decode_rows(kernels, header, frame, out.data(), stride);
    for (std::size_t row = 0; row < rows; ++row) {
        require(same(out.data() + row * stride, x.data() + row * width, width, encoding),
                "decode_rows differs from decode", kernels);
        for (std::size_t i = width; row + 1 < rows && i < stride; ++i)
            require(out[row * stride + i] == untouched, "decode_rows wrote between rows", kernels);
    }
}

Outcome read(const Kernels& kernels, const std::uint8_t* frame, std::size_t size) {
    Outcome outcome;
    try {
        outcome.header = coinfer::parse(frame, size);
        coinfer::verify(kernels, outcome.header, frame);
    } catch (const coinfer::Fault& fault) {
        outcome.fault = fault.field;
        return outcome;
    }
    const std::size_t count = coinfer::elements(outcome.header);
    Block<float> out(count);
    coinfer::decode(kernels, outcome.header, frame, out.data());
    require(out.intact(), "decode wrote ahead of its output", kernels);
    outcome.x.resize(count);
    if (count > 0) std::memcpy(outcome.x.data(), out.data(), count * sizeof(float));
    return outcome;
}

float largest_scale(const Bytes& frame) {
    const coinfer::Header header = coinfer::parse(frame.data(), frame.size());
    float largest = header.scale;
    for (std::size_t i = 0; i < header.table_bytes / 5; ++i) {
        float scale;
        std::memcpy(&scale, frame.data() + 64 + 4 * i, sizeof scale);
        largest = std::max(largest, scale);
    }
    return largest;
}

// Encoding again gives a frame that decodes to the same; for a quantiser, whose step then is
// another one, to something half a step away at most.
Bytes encoded_again(const Kernels& kernels, const Outcome& read_before,
                    const truth::Encoding& encoding) {
    const Header& header = read_before.header;
    Block<float> x(read_before.x.size(), 4);
    if (!read_before.x.empty())
        std::memcpy(x.data(), read_before.x.data(), read_before.x.size() * sizeof(float));
    const std::size_t room = coinfer::largest_frame(header);
    Block<std::uint8_t> frame(room, 1);
    std::size_t size;
    try {
        size = coinfer::encode(kernels, x.data(), header, header.flags != 0, frame.data());
    } catch (const coinfer::Unquantisable&) {
        require(encoding.quantised(), "refuses to encode what needs no quantiser", kernels);
        return {};
    }
    require(size <= room && frame.intact(), "encode wrote too much", kernels);
    const Bytes exact(frame.data(), frame.data() + size);
    const Outcome again = read(kernels, exact.data(), exact.size());
    require(again.fault.empty(), "refuses a frame of its own", kernels);
    if (!encoding.quantised()) {
        require(same(again.x.data(), read_before.x.data(), again.x.size(), encoding),
                "encoding again changes elements", kernels);
        return exact;
    }
    const double half_step = 0.501 * largest_scale(exact);
    for (std::size_t i = 0; i < again.x.size(); ++i)
        require(std::fabs(double{again.x[i]} - read_before.x[i]) <= half_step,
                "encoding again changes an element by more than half a step", kernels);
    return exact;
}

void check(const std::uint8_t* data, std::size_t size) {
    // At every alignment, in memory that ends with the frame.
    Block<std::uint8_t> frame(size, size > 0 ? data[size - 1] % 16 : 0);
    std::copy_n(data, size, frame.data());
    std::vector<Outcome> outcomes;
    for (const Kernels* kernels : sets()) {
        outcomes.push_back(read(*kernels, frame.data(), size));
        require(outcomes.back().fault == outcomes.front().fault,
                "finds another field at fault than the first set", *kernels);
    }
    if (!outcomes.front().fault.empty()) return;

    const Bytes bytes(data, data + size);
    const truth::Encoding& encoding = truth::encoding_of(bytes);
    const Floats expected = truth::decode(bytes);
    const bool nan = std::any_of(expected.begin(), expected.end(),
                                 [](float value) { return std::isnan(value); });
    Bytes first;
    for (std::size_t i = 0; i < sets().size(); ++i) {
        const Kernels& kernels = *sets()[i];
        const Outcome& own = outcomes[i];
        require(own.x.size() == expected.size() &&
                    same(own.x.data(), expected.data(), expected.size(), encoding),
                "decodes to something else than the frame says", kernels);
        check_rows(kernels, own.header, frame.data(), own.x, encoding);
        const Bytes again = encoded_again(kernels, own, encoding);
        if (i == 0) first = again;
        if (encoding.keeps_nan_bits() || !nan)
            require(again == first, "encodes to other bytes than the first set", kernels);
    }
}

}  // namespace
}  // namespace fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::check(data, size);
    return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t most, unsigned seed) {
    native::Random random(seed);
    size = LLVMFuzzerMutate(data, size, most);
    if (random.below(8) == 0) return size;
    const truth::Bytes frame = fuzz::repaired(truth::Bytes(data, data + size), random);
    if (frame.size() > most) return size;
    std::copy(frame.begin(), frame.end(), data);
    return frame.size();
}
