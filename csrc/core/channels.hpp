// The quantisers of a tensor's channels.
//
// In memory a channel is either runs of `inner` elements, or, where those are short, columns of
// a matrix. Both are walked in the order of the elements.
#pragma once

#include "core/quantiser.hpp"
#include "core/scratch.hpp"

namespace coinfer {

class ChannelCodec {
public:
    // For writing: finds the range of each channel and writes the table. Throws Unquantisable.
    ChannelCodec(const Kernels& kernels, const Header& header, const float* x,
                 std::uint8_t* table);
    // For reading: takes the table of a verified frame.
    ChannelCodec(const Kernels& kernels, const Header& header, const std::uint8_t* table);
    ChannelCodec(const ChannelCodec&) = delete;
    ChannelCodec& operator=(const ChannelCodec&) = delete;

    // Elements [first, first + count) of the tensor; `x`, `codes` and `out` begin at `first`.
    void quantise(const float* x, std::size_t first, std::size_t count, std::int8_t* codes) const;
    void dequantise(const std::int8_t* codes, std::size_t first, std::size_t count,
                    float* out) const;

private:
    struct Layout {
        explicit Layout(const Header& header);

        Levels levels;
        std::size_t channels;
        std::size_t inner;
        std::size_t columns;  // of the matrix; 0 when there are runs instead
        std::size_t quantisers;
    };

    void find_ranges(const Kernels& kernels, const float* x, std::size_t count, float* lows,
                     float* highs) const;
    template <typename T>
    void repeat(T* values) const;
    template <typename Each>
    void walk(std::size_t first, std::size_t count, const Each& each) const;

    static constexpr std::size_t small = 256;
    const Kernels& kernels_;
    Layout layout_;
    // Of each channel, repeated when there are columns: then of each column.
    Scratch<float, small> scales_;
    Scratch<float, small> inverses_;
    Scratch<std::int32_t, small> zero_points_;
};

}  // namespace coinfer
