#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "truth.hpp"

namespace truth {
namespace {

template <typename T>
void put(Bytes& bytes, T value) {
    const auto* first = reinterpret_cast<const std::uint8_t*>(&value);
    bytes.insert(bytes.end(), first, first + sizeof value);
}

template <typename T>
T get(const Bytes& bytes, std::size_t at) {
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
}

// Rounding a float64 result to float32 gives what one float32 operation gives: 53 bits are more
// than twice 24 and two.
float once(double result) { return static_cast<float>(result); }

struct Quantiser {
    float scale = 0;
    std::int32_t zero_point = 0;
    float inverse = 0;
    std::int32_t least, steps;

    Quantiser(const Floats& x, Values values)
        : least(values == Values::int8 ? -128 : 0), steps(values == Values::int8 ? 255 : 15) {
        const auto [low, high] = range(x);
        scale = std::max(once(double{once(high - low)} / steps), 0x1p-126f);
        inverse = once(1.0 / scale);
        const auto zero = least - static_cast<std::int32_t>(std::rint(once(low * inverse)));
        zero_point = std::clamp(zero, least, least + steps);
    }

    struct Range {
        double low = 0, high = 0;
    };
    static Range range(const Floats& x) {
        Range range;
        for (const float value : x) {
            range.low = std::min<double>(range.low, value);
            range.high = std::max<double>(range.high, value);
        }
        return range;
    }

    std::int32_t quantise(float x) const {
        const double q = std::rint(once(double{x} * inverse)) + zero_point;
        return static_cast<std::int32_t>(std::clamp<double>(q, least, least + steps));
    }
};

float dequantise(std::int32_t q, float scale, std::int32_t zero_point) {
    return once(double(q - zero_point) * scale);
}

// Elements that share a scale, for each element.
struct Scopes {
    std::vector<std::size_t> of;
    std::size_t count = 1;

    Scopes(std::size_t n, const Shape& shape, Scope scope) : of(n, 0) {
        if (scope == Scope::group32) {
            count = (n + 31) / 32;
            for (std::size_t i = 0; i < n; ++i) of[i] = i / 32;
        }
        if (scope == Scope::channel && shape.size() >= 2) {
            count = shape[1];
            std::size_t inner = 1;
            for (std::size_t k = 2; k < shape.size(); ++k) inner *= shape[k];
            for (std::size_t i = 0; i < n; ++i) of[i] = i / inner % count;
        }
    }

    std::vector<Floats> parts(const Floats& x) const {
        std::vector<Floats> parts(count);
        for (std::size_t i = 0; i < x.size(); ++i) parts[of[i]].push_back(x[i]);
        return parts;
    }
};

std::size_t product(const Shape& shape) {
    std::size_t n = 1;
    for (const std::uint32_t dim : shape) n *= dim;
    return n;
}

void put_value(Bytes& bytes, float x, Values values) {
    if (values == Values::raw) put(bytes, x);
    if (values == Values::fp16) put(bytes, half_of(x));
    if (values == Values::bf16) put(bytes, bf16_of(x));
}

float get_value(const Bytes& bytes, std::size_t at, std::size_t i, Values values) {
    if (values == Values::fp16) return float_of_half(get<std::uint16_t>(bytes, at + 2 * i));
    if (values == Values::bf16) return float_of_bf16(get<std::uint16_t>(bytes, at + 2 * i));
    return get<float>(bytes, at + 4 * i);
}

// Values of the quantised encodings: bytes, or nibbles with the even element in the low half.
void put_quantised(Bytes& bytes, const std::vector<std::int32_t>& q, Values values) {
    if (values == Values::int8)
        for (const std::int32_t value : q) put(bytes, static_cast<std::int8_t>(value));
    else
        for (std::size_t i = 0; i < q.size(); i += 2)
            put(bytes, static_cast<std::uint8_t>(q[i] | (i + 1 < q.size() ? q[i + 1] << 4 : 0)));
}

std::int32_t get_quantised(const Bytes& bytes, std::size_t at, std::size_t i, Values values) {
    if (values == Values::int8) return get<std::int8_t>(bytes, at + i);
    return (bytes[at + i / 2] >> (i % 2 * 4)) & 0xF;
}

}  // namespace

const std::vector<Encoding>& encodings() {
    static const std::vector<Encoding> all = {
        {"raw", 1, Values::raw, Scope::tensor},
        {"fp16", 2, Values::fp16, Scope::tensor},
        {"bf16", 4, Values::bf16, Scope::tensor},
        {"int8", 3, Values::int8, Scope::tensor},
        {"int8-channel", 5, Values::int8, Scope::channel},
        {"int4", 6, Values::int4, Scope::tensor},
        {"int4-channel", 7, Values::int4, Scope::channel},
        {"int4-group32", 8, Values::int4, Scope::group32},
        {"sparse-fp32", 9, Values::raw, Scope::sparse},
        {"sparse-fp16", 10, Values::fp16, Scope::sparse},
        {"sparse-int8", 11, Values::int8, Scope::sparse},
    };
    return all;
}

const Encoding& encoding_of(const Bytes& frame) {
    for (const Encoding& encoding : encodings())
        if (encoding.code == frame[5]) return encoding;
    throw std::invalid_argument("a frame of no known encoding");
}

bool quantisable(const Floats& x, const Shape& shape, const Encoding& encoding) {
    if (!encoding.quantised()) return true;
    for (const Floats& part : Scopes(x.size(), shape, encoding.scope).parts(x)) {
        const auto [low, high] = Quantiser::range(part);
        if (!std::isfinite(once(high - low))) return false;
    }
    return std::all_of(x.begin(), x.end(), [](float value) { return std::isfinite(value); });
}

Frame encode(const Floats& x, const Shape& shape, const Encoding& encoding, bool crc) {
    const bool sparse = encoding.scope == Scope::sparse;
    const bool table = encoding.scope == Scope::channel || encoding.scope == Scope::group32;
    const Scopes scopes(x.size(), shape, encoding.scope);
    std::vector<Quantiser> quantisers;
    if (encoding.quantised())
        for (const Floats& part : scopes.parts(x)) quantisers.emplace_back(part, encoding.values);

    Bytes payload;
    if (sparse) payload.assign((x.size() + 7) / 8, 0);
    if (table) {
        for (const Quantiser& each : quantisers) put(payload, each.scale);
        for (const Quantiser& each : quantisers)
            put(payload, static_cast<std::uint8_t>(each.zero_point));
    }
    const auto table_bytes = static_cast<std::uint32_t>(payload.size());

    std::vector<std::int32_t> quantised;
    for (std::size_t i = 0; i < x.size(); ++i) {
        if (sparse && bits_of(x[i]) == 0) continue;
        if (sparse) payload[i / 8] |= static_cast<std::uint8_t>(1 << i % 8);
        if (encoding.quantised()) quantised.push_back(quantisers[scopes.of[i]].quantise(x[i]));
        put_value(payload, x[i], encoding.values);
    }
    if (encoding.quantised()) put_quantised(payload, quantised, encoding.values);

    std::uint16_t parameter = 0;
    if (encoding.scope == Scope::channel) parameter = shape.size() >= 2 ? 1 : 0;
    if (encoding.scope == Scope::group32) parameter = 32;
    const bool one_scale = encoding.quantised() && !table;

    Frame frame;
    for (const char letter : {'C', 'I', 'K', 'F'}) put(frame.bytes, letter);
    put<std::uint8_t>(frame.bytes, 1);
    put(frame.bytes, encoding.code);
    put<std::uint8_t>(frame.bytes, 1);
    put(frame.bytes, static_cast<std::uint8_t>(shape.size()));
    put<std::uint16_t>(frame.bytes, crc ? 1 : 0);
    put(frame.bytes, parameter);
    put(frame.bytes, table_bytes);
    for (std::size_t k = 0; k < 4; ++k) put(frame.bytes, k < shape.size() ? shape[k] : 0u);
    put<std::uint64_t>(frame.bytes, payload.size());
    put(frame.bytes, one_scale ? quantisers[0].scale : 0.0f);
    put(frame.bytes, one_scale ? quantisers[0].zero_point : 0);
    frame.bytes.resize(60, 0);
    std::uint32_t sum = 0;
    if (crc)
        sum = crc32c(payload.data(), payload.size(), crc32c(frame.bytes.data(), 60, 0));
    put(frame.bytes, sum);
    frame.bytes.insert(frame.bytes.end(), payload.begin(), payload.end());
    frame.decoded = decode(frame.bytes);
    return frame;
}

Floats decode(const Bytes& frame) {
    const Encoding& encoding = encoding_of(frame);
    Shape shape;
    for (std::size_t k = 0; k < frame[7]; ++k) shape.push_back(get<std::uint32_t>(frame, 16 + 4 * k));
    const std::size_t n = product(shape);
    const std::size_t table = 64, values = table + get<std::uint32_t>(frame, 12);
    const bool sparse = encoding.scope == Scope::sparse;
    const bool one_scale = encoding.scope == Scope::tensor || sparse;
    const Scopes scopes(n, shape, encoding.scope);

    Floats x(n, 0.0f);
    std::size_t next = 0;
    for (std::size_t i = 0; i < n; ++i) {
        if (sparse && !((frame[table + i / 8] >> i % 8) & 1)) continue;
        const std::size_t place = next++;
        if (!encoding.quantised()) {
            x[i] = get_value(frame, values, place, encoding.values);
            continue;
        }
        float scale = get<float>(frame, 40);
        auto zero_point = get<std::int32_t>(frame, 44);
        if (!one_scale) {
            scale = get<float>(frame, table + 4 * scopes.of[i]);
            zero_point = get<std::int8_t>(frame, table + 4 * scopes.count + scopes.of[i]);
        }
        x[i] = dequantise(get_quantised(frame, values, place, encoding.values), scale, zero_point);
    }
    return x;
}

}  // namespace truth
