#include "core/channels.hpp"

#include <cstring>

namespace coinfer {
namespace {

constexpr std::size_t shortest_run = 16;     // below, the call for each run costs too much
constexpr std::size_t fewest_columns = 256;  // below, the call for each row does

// The larger one taken as integers. Among floats of one sign that is the one of the larger
// magnitude, and what is not finite stays.
template <typename Integer>
void extend(float& bound, float candidate) {
    Integer bits, other;
    std::memcpy(&bits, &bound, sizeof bits);
    std::memcpy(&other, &candidate, sizeof other);
    bits = std::max(bits, other);
    std::memcpy(&bound, &bits, sizeof bits);
}

void merge(float& low, float& high, float more_low, float more_high) {
    extend<std::uint32_t>(low, more_low);
    extend<std::int32_t>(high, more_high);
}

}  // namespace

ChannelCodec::Layout::Layout(const Header& header)
    : levels(levels_of(static_cast<Encoding>(header.encoding))) {
    const Channels shape = channels_of(header);
    channels = shape.count;
    inner = shape.inner;
    columns = 0;
    const std::size_t width = channels * inner;
    if (channels == 1) inner *= shape.outer;
    if (channels > 1 && inner < shortest_run && elements(header) > 0)
        columns = width * std::min(shape.outer, (fewest_columns + width - 1) / width);
    quantisers = std::max(columns, channels);
}

ChannelCodec::ChannelCodec(const Kernels& kernels, const Header& header, const float* x,
                           std::uint8_t* table)
    : kernels_(kernels),
      layout_(header),
      scales_(layout_.quantisers),
      inverses_(layout_.quantisers),
      zero_points_(layout_.quantisers) {
    const std::size_t channels = layout_.channels;
    Scratch<float, small> lows(layout_.quantisers), highs(layout_.quantisers);
    find_ranges(kernels, x, elements(header), lows.data(), highs.data());
    if (!kernels.quantisers(lows.data(), highs.data(), channels, layout_.levels, scales_.data(),
                            inverses_.data(), zero_points_.data())) {
        const auto encoding = static_cast<Encoding>(header.encoding);
        for (std::size_t i = 0; i < channels; ++i)  // the error to name, whatever channel it is in
            if (!std::isfinite(lows.data()[i]) || !std::isfinite(highs.data()[i]))
                throw Unquantisable{encoding, std::nanf(""), std::nanf("")};
        for (std::size_t i = 0; i < channels; ++i)
            affine({lows.data()[i], highs.data()[i]}, encoding);
    }
    if (channels == 0) return;
    std::memcpy(table, scales_.data(), channels * sizeof(float));
    for (std::size_t i = 0; i < channels; ++i)
        table[channels * sizeof(float) + i] = static_cast<std::uint8_t>(zero_points_.data()[i]);
    repeat(inverses_.data());
    repeat(zero_points_.data());
}

ChannelCodec::ChannelCodec(const Kernels& kernels, const Header& header, const std::uint8_t* table)
    : kernels_(kernels),
      layout_(header),
      scales_(layout_.quantisers),
      inverses_(0),
      zero_points_(layout_.quantisers) {
    const std::size_t channels = layout_.channels;
    std::memcpy(scales_.data(), table, channels * sizeof(float));
    const std::uint8_t* const bytes = table + channels * sizeof(float);
    std::int32_t* const zero_points = zero_points_.data();
    const int sign = layout_.levels.least < 0 ? 0x80 : 0;
    for (std::size_t i = 0; i < channels; ++i) zero_points[i] = (bytes[i] ^ sign) - sign;
    repeat(scales_.data());
    repeat(zero_points);
}

// From the values of the channels to those of the columns, in place.
template <typename T>
void ChannelCodec::repeat(T* values) const {
    if (layout_.columns <= layout_.channels) return;
    const std::size_t width = layout_.channels * layout_.inner;
    for (std::size_t channel = layout_.channels; channel-- > 0;)  // so that none is lost
        std::fill_n(values + channel * layout_.inner, layout_.inner, T(values[channel]));
    for (std::size_t at = width; at < layout_.columns; ++at) values[at] = values[at - width];
}

// Calls each(offset from first, length, index of the channel or first column) for stretches
// that lie in one run or one row.
template <typename Each>
void ChannelCodec::walk(std::size_t first, std::size_t count, const Each& each) const {
    if (count == 0) return;
    const std::size_t stretch = layout_.columns > 0 ? layout_.columns : layout_.inner;
    std::size_t within = first % stretch;
    std::size_t channel = first / stretch % layout_.channels;
    for (std::size_t at = 0; at < count;) {
        const std::size_t length = std::min(stretch - within, count - at);
        each(at, length, layout_.columns > 0 ? within : channel);
        at += length;
        within = 0;
        if (++channel == layout_.channels) channel = 0;
    }
}

void ChannelCodec::find_ranges(const Kernels& kernels, const float* x, std::size_t count,
                               float* lows, float* highs) const {
    const std::size_t columns = layout_.columns;
    std::fill_n(lows, layout_.quantisers, 0.0f);
    std::fill_n(highs, layout_.quantisers, 0.0f);
    if (columns == 0) {
        walk(0, count, [&](std::size_t at, std::size_t length, std::size_t channel) {
            const Span range = kernels.span(x + at, length);
            merge(lows[channel], highs[channel], range.low, range.high);
        });
        return;
    }
    const std::size_t rows = count / columns, rest = count % columns;
    kernels.span_columns(x, rows, columns, lows, highs);
    if (rest > 0) kernels.span_columns(x + rows * columns, 1, rest, lows, highs);
    if (columns == layout_.channels) return;
    // Each channel's columns lie at its own place or behind.
    std::size_t column = 0;
    for (std::size_t channel = 0; channel < layout_.channels; ++channel) {
        float low = 0.0f, high = 0.0f;
        for (std::size_t i = 0; i < layout_.inner; ++i, ++column)
            merge(low, high, lows[column], highs[column]);
        lows[channel] = low, highs[channel] = high;
    }
    while (column < columns)
        for (std::size_t channel = 0; channel < layout_.channels; ++channel)
            for (std::size_t i = 0; i < layout_.inner; ++i, ++column)
                merge(lows[channel], highs[channel], lows[column], highs[column]);
}

void ChannelCodec::quantise(const float* x, std::size_t first, std::size_t count,
                            std::int8_t* codes) const {
    const float* const inverses = inverses_.data();
    const std::int32_t* const zero_points = zero_points_.data();
    walk(first, count, [&](std::size_t at, std::size_t length, std::size_t index) {
        if (layout_.columns > 0)
            kernels_.quantise_columns(x + at, length, inverses + index, zero_points + index,
                                      layout_.levels, codes + at);
        else
            kernels_.quantise(x + at, length, inverses[index], zero_points[index],
                              layout_.levels, codes + at);
    });
}

void ChannelCodec::dequantise(const std::int8_t* codes, std::size_t first, std::size_t count,
                              float* out) const {
    const float* const scales = scales_.data();
    const std::int32_t* const zero_points = zero_points_.data();
    walk(first, count, [&](std::size_t at, std::size_t length, std::size_t index) {
        if (layout_.columns > 0)
            kernels_.dequantise_columns(codes + at, length, scales + index, zero_points + index,
                                        out + at);
        else
            kernels_.dequantise(codes + at, length, scales[index], zero_points[index], out + at);
    });
}

}  // namespace coinfer
