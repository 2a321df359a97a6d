// Arbitrary tensors into every writer. libFuzzer target; see the Makefile.
#include <algorithm>
#include <cstring>

#include "agree.hpp"

namespace fuzz {
namespace {

using coinfer::Kernels;
using native::Block;
using truth::Bytes;
using truth::Floats;

// Takes bytes from the front of the input; zeros when there are none left.
class Input {
public:
    Input(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}
    std::uint8_t byte() { return left_ > 0 ? (--left_, *data_++) : 0; }
    bool empty() const { return left_ == 0; }
    float bits() {
        std::uint32_t word = 0;
        for (int i = 0; i < 4; ++i) word |= static_cast<std::uint32_t>(byte()) << 8 * i;
        return truth::float_of(word);
    }

private:
    const std::uint8_t* data_;
    std::size_t left_;
};

struct Tensor {
    const truth::Encoding* encoding;
    truth::Shape shape;
    Floats x;
    std::vector<std::uint16_t> halves;  // the same elements, or empty
    bool crc;
    std::size_t shift;
};

enum class Elements { any_float, small, relu, half };

Tensor tensor_of(Input& input) {
    Tensor tensor;
    tensor.encoding = &truth::encodings()[input.byte() % truth::encodings().size()];
    const std::uint8_t options = input.byte();
    const auto elements = static_cast<Elements>(options & 3);
    tensor.crc = (options & 4) != 0;
    tensor.shift = options >> 4;
    std::size_t count = 1;
    for (unsigned ndim = input.byte() % 5; ndim > 0; --ndim) {
        const auto dim = static_cast<std::uint32_t>(input.byte());
        // Now and then more than one block of the core, which has 1024 elements.
        const std::size_t most = (options & 8) != 0 && tensor.shift == 15 ? 2300 : 200;
        tensor.shape.push_back(count * dim > most ? 1 : dim);
        count *= tensor.shape.back();
    }
    while (tensor.x.size() < count) {
        // Short inputs make large tensors, too: their elements come again.
        if (input.empty() && !tensor.x.empty()) {
            tensor.x.push_back(tensor.x[tensor.x.size() / 2]);
            if (elements == Elements::half)
                tensor.halves.push_back(tensor.halves[tensor.halves.size() / 2]);
        } else if (elements == Elements::any_float) {
            tensor.x.push_back(input.bits());
        } else if (elements == Elements::half) {
            const auto low = input.byte();
            const auto half = static_cast<std::uint16_t>(low | input.byte() << 8);
            tensor.halves.push_back(half);
            tensor.x.push_back(truth::float_of_half(half));
        } else {
            const float value = static_cast<float>(static_cast<std::int8_t>(input.byte())) / 7;
            tensor.x.push_back(elements == Elements::relu && value < 0 ? 0.0f : value);
        }
    }
    return tensor;
}

coinfer::Header header_of(const Tensor& tensor) {
    coinfer::Header header = {{'C', 'I', 'K', 'F'}, 1, tensor.encoding->code, 1,
                              static_cast<std::uint8_t>(tensor.shape.size()), 0, 0, 0, {}, 0, 0.0f,
                              0, {}, 0};
    std::copy(tensor.shape.begin(), tensor.shape.end(), header.dims);
    return header;
}

// The frame; empty when the tensor is refused.
template <typename Element>
Bytes frame_of(const Kernels& kernels, const Tensor& tensor, const std::vector<Element>& x) {
    const coinfer::Header header = header_of(tensor);
    Block<Element> elements(x.size(), sizeof(Element) * (tensor.shift % 7));
    if (!x.empty()) std::memcpy(elements.data(), x.data(), x.size() * sizeof(Element));
    const std::size_t room = coinfer::largest_frame(header);
    Block<std::uint8_t> frame(room, tensor.shift);
    std::size_t size = 0;
    try {
        size = coinfer::encode(kernels, elements.data(), header, tensor.crc, frame.data());
    } catch (const coinfer::Unquantisable&) {
        require(tensor.encoding->quantised(), "refuses what needs no quantiser", kernels);
    }
    require(size <= room && frame.intact(), "encode wrote too much", kernels);
    return Bytes(frame.data(), frame.data() + size);
}

// Whatever was written is read by all.
void check_reading(const Kernels& kernels, const Bytes& frame, const Tensor& tensor) {
    const coinfer::Header header = coinfer::parse(frame.data(), frame.size());
    coinfer::verify(kernels, header, frame.data());
    Block<float> out(tensor.x.size());
    coinfer::decode(kernels, header, frame.data(), out.data());
    const Floats expected = truth::decode(frame);
    require(same(out.data(), expected.data(), expected.size(), *tensor.encoding),
            "decodes to something else than the frame says", kernels);
}

void check(Input input) {
    const Tensor tensor = tensor_of(input);
    const truth::Encoding& encoding = *tensor.encoding;
    const bool nan = std::any_of(tensor.x.begin(), tensor.x.end(),
                                 [](float value) { return std::isnan(value); });
    const bool possible = truth::quantisable(tensor.x, tensor.shape, encoding);
    Bytes expected;
    if (possible)
        expected = truth::encode(tensor.x, tensor.shape, encoding, tensor.crc).bytes;
    for (const Kernels* kernels : sets()) {
        const Bytes frame = frame_of(*kernels, tensor, tensor.x);
        require(frame.empty() != possible, "refuses or takes a tensor wrongly", *kernels);
        if (encoding.keeps_nan_bits() || !nan)
            require(frame == expected, "other bytes than the format asks for", *kernels);
        if (tensor.halves.size() == tensor.x.size()) {
            const Bytes direct = frame_of(*kernels, tensor, tensor.halves);
            if (!nan) require(direct == expected, "other bytes from float16", *kernels);
        }
        if (possible) check_reading(*kernels, frame, tensor);
    }
}

}  // namespace
}  // namespace fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::check(fuzz::Input(data, size));
    return 0;
}
