// The quantisers of a tensor's channels.
//
// In memory a channel is either runs of `inner` elements, or, where those are short, columns of
// a matrix. Both are walked in the order of the elements.
#pragma once

#include <vector>

#include "core/quantiser.hpp"

namespace coinfer {

class ChannelCodec {
public:
    // For writing: finds the range of each channel. Throws Unquantisable.
    ChannelCodec(const Kernels& kernels, const Header& header, const float* x);
    // For reading: takes the table of a verified frame.
    ChannelCodec(const Kernels& kernels, const Header& header, const std::uint8_t* table);

    void write_table(std::uint8_t* table) const;
    // Elements [first, first + count) of the tensor; `x`, `codes` and `out` begin at `first`.
    void quantise(const float* x, std::size_t first, std::size_t count, std::int8_t* codes) const;
    void dequantise(const std::int8_t* codes, std::size_t first, std::size_t count,
                    float* out) const;

private:
    ChannelCodec(const Kernels& kernels, const Header& header);
    std::vector<Span> spans(const float* x, std::size_t count) const;
    template <typename Each>
    void walk(std::size_t first, std::size_t count, const Each& each) const;

    const Kernels& kernels_;
    Encoding encoding_;
    Levels levels_;
    std::size_t channels_;
    std::size_t inner_;
    std::size_t columns_;  // of the matrix; 0 when there are runs instead
    // Of each channel, repeated when there are columns: then of each column.
    std::vector<float> scales_;
    std::vector<float> inverses_;
    std::vector<std::int32_t> zero_points_;
};

}  // namespace coinfer
