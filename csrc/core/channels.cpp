#include "core/channels.hpp"

#include <cstring>

namespace coinfer {
namespace {

constexpr std::size_t shortest_run = 16;     // below, the call for each run costs too much
constexpr std::size_t fewest_columns = 256;  // below, the call for each row does

}  // namespace

ChannelCodec::ChannelCodec(const Kernels& kernels, const Header& header)
    : kernels_(kernels),
      encoding_(static_cast<Encoding>(header.encoding)),
      levels_(levels_of(encoding_)) {
    const Channels shape = channels_of(header);
    channels_ = shape.count;
    inner_ = shape.inner;
    columns_ = 0;
    const std::size_t width = channels_ * inner_;
    if (channels_ == 1) inner_ *= shape.outer;
    if (channels_ > 1 && inner_ < shortest_run && elements(header) > 0)
        columns_ = width * ((fewest_columns + width - 1) / width);
    const std::size_t quantisers = columns_ > 0 ? columns_ : channels_;
    scales_.resize(quantisers);
    zero_points_.resize(quantisers);
}

ChannelCodec::ChannelCodec(const Kernels& kernels, const Header& header, const float* x)
    : ChannelCodec(kernels, header) {
    const std::vector<Span> ranges = spans(x, elements(header));
    for (const Span& range : ranges)  // whatever channel it is in, it is the error to name
        if (std::isnan(range.low)) throw Unquantisable{encoding_, range.low, range.high};
    inverses_.resize(scales_.size());
    const std::size_t repeat = columns_ > 0 ? inner_ : 1;
    for (std::size_t channel = 0; channel < channels_; ++channel) {
        const Affine quantiser = affine(ranges[channel], encoding_);
        const std::size_t at = channel * repeat;
        std::fill_n(&scales_[at], repeat, quantiser.scale);
        std::fill_n(&inverses_[at], repeat, quantiser.inverse);
        std::fill_n(&zero_points_[at], repeat, quantiser.zero_point);
    }
    for (std::size_t at = channels_ * repeat; at < columns_; ++at) {
        inverses_[at] = inverses_[at - channels_ * repeat];
        zero_points_[at] = zero_points_[at - channels_ * repeat];
    }
}

ChannelCodec::ChannelCodec(const Kernels& kernels, const Header& header, const std::uint8_t* table)
    : ChannelCodec(kernels, header) {
    const std::uint8_t* const zero_points = table + channels_ * sizeof(float);
    const std::size_t repeat = columns_ > 0 ? inner_ : 1;
    for (std::size_t channel = 0; channel < channels_; ++channel) {
        float scale;
        std::memcpy(&scale, table + channel * sizeof scale, sizeof scale);
        std::int32_t zero_point = zero_points[channel];
        if (levels_.least < 0) zero_point = static_cast<std::int8_t>(zero_point);
        std::fill_n(&scales_[channel * repeat], repeat, scale);
        std::fill_n(&zero_points_[channel * repeat], repeat, zero_point);
    }
    for (std::size_t at = channels_ * repeat; at < columns_; ++at) {
        scales_[at] = scales_[at - channels_ * repeat];
        zero_points_[at] = zero_points_[at - channels_ * repeat];
    }
}

void ChannelCodec::write_table(std::uint8_t* table) const {
    std::uint8_t* const zero_points = table + channels_ * sizeof(float);
    const std::size_t repeat = columns_ > 0 ? inner_ : 1;
    for (std::size_t channel = 0; channel < channels_; ++channel) {
        std::memcpy(table + channel * sizeof(float), &scales_[channel * repeat], sizeof(float));
        zero_points[channel] = static_cast<std::uint8_t>(zero_points_[channel * repeat]);
    }
}

// Calls each(offset from first, length, index of the channel or first column) for stretches
// that lie in one run or one row.
template <typename Each>
void ChannelCodec::walk(std::size_t first, std::size_t count, const Each& each) const {
    const std::size_t stretch = columns_ > 0 ? columns_ : inner_;
    for (std::size_t at = 0; at < count;) {
        const std::size_t within = (first + at) % stretch;
        const std::size_t length = std::min(stretch - within, count - at);
        each(at, length, columns_ > 0 ? within : (first + at) / stretch % channels_);
        at += length;
    }
}

std::vector<Span> ChannelCodec::spans(const float* x, std::size_t count) const {
    std::vector<Span> ranges(channels_, Span{0.0f, 0.0f});
    if (columns_ == 0) {
        walk(0, count, [&](std::size_t at, std::size_t length, std::size_t channel) {
            ranges[channel] = merged(ranges[channel], kernels_.span(x + at, length));
        });
        return ranges;
    }
    std::vector<Span> part(columns_);
    const auto take = [&](std::size_t first, std::size_t rows, std::size_t columns) {
        kernels_.span_columns(x + first, rows, columns, part.data());
        for (std::size_t column = 0, channel = 0; column < columns; ++channel) {
            Span& range = ranges[channel == channels_ ? channel = 0 : channel];
            for (std::size_t i = 0; i < inner_ && column < columns; ++i, ++column)
                range = merged(range, part[column]);
        }
    };
    const std::size_t rows = count / columns_;
    if (rows > 0) take(0, rows, columns_);
    if (count % columns_ > 0) take(rows * columns_, 1, count % columns_);
    return ranges;
}

void ChannelCodec::quantise(const float* x, std::size_t first, std::size_t count,
                            std::int8_t* codes) const {
    walk(first, count, [&](std::size_t at, std::size_t length, std::size_t index) {
        if (columns_ > 0)
            kernels_.quantise_columns(x + at, length, &inverses_[index], &zero_points_[index],
                                      levels_, codes + at);
        else
            kernels_.quantise(x + at, length, inverses_[index], zero_points_[index], levels_,
                              codes + at);
    });
}

void ChannelCodec::dequantise(const std::int8_t* codes, std::size_t first, std::size_t count,
                              float* out) const {
    walk(first, count, [&](std::size_t at, std::size_t length, std::size_t index) {
        if (columns_ > 0)
            kernels_.dequantise_columns(codes + at, length, &scales_[index], &zero_points_[index],
                                        out + at);
        else
            kernels_.dequantise(codes + at, length, scales_[index], zero_points_[index],
                                out + at);
    });
}

}  // namespace coinfer
