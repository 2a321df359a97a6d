#include "repair.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace fuzz {
namespace {

using truth::Bytes;
using truth::Scope;
using truth::Values;

template <typename T>
T get(const Bytes& frame, std::size_t at) {
    T value;
    std::memcpy(&value, frame.data() + at, sizeof value);
    return value;
}

template <typename T>
void put(Bytes& frame, std::size_t at, T value) {
    std::memcpy(frame.data() + at, &value, sizeof value);
}

// The fields in the order of docs/kernels.md; `random` decides which repairs are left out.
class Repair {
public:
    Repair(Bytes& frame, native::Random& random) : frame_(frame), random_(random) {}

    void run() {
        constexpr std::size_t header = 64;
        if (frame_.size() < header) frame_.resize(header);
        identify();
        shape();
        const truth::Encoding& encoding = truth::encoding_of(frame_);
        resize(encoding);
        quantiser(encoding);
        if (often()) std::fill(frame_.begin() + 48, frame_.begin() + 60, 0);
        if (often()) put<std::uint64_t>(frame_, 32, frame_.size() - header);
        if (often()) checksum();
    }

private:
    bool often() { return random_.below(24) > 0; }

    void identify() {
        if (often()) std::memcpy(frame_.data(), "CIKF\1", 5);
        // Always, for what follows needs it; the fuzzer damages it often enough.
        frame_[5] = static_cast<std::uint8_t>(1 + (frame_[5] + 10) % 11);
        if (often()) frame_[6] = 1;
        frame_[7] %= 5;
        if (often()) put<std::uint16_t>(frame_, 8, frame_[8] & 1);
    }

    void shape() {
        // Now and then more than one block of the core, which has 1024 elements.
        std::uint32_t room = random_.below(12) > 0 ? 140 : 2300;
        for (std::size_t k = 0; k < 4; ++k) {
            auto dim = get<std::uint32_t>(frame_, 16 + 4 * k);
            if (k < frame_[7]) {
                // Zero stays zero; a size that fits stays, too, so that shapes survive.
                if (dim > room) dim = 1 + dim % room;
                room /= std::max(dim, 1u);
                elements_ *= dim;
            } else {
                dim = 0;
            }
            put(frame_, 16 + 4 * k, dim);
        }
    }

    // Parameter, table and a payload of the right length.
    void resize(const truth::Encoding& encoding) {
        const std::size_t n = elements_;
        std::uint16_t parameter = 0;
        if (encoding.scope == Scope::channel) {
            scales_ = frame_[7] >= 2 ? get<std::uint32_t>(frame_, 20) : 1;
            parameter = frame_[7] >= 2 ? 1 : 0;
        } else if (encoding.scope == Scope::group32) {
            scales_ = (n + 31) / 32;
            parameter = 32;
        }
        const std::size_t table = encoding.scope == Scope::sparse ? (n + 7) / 8 : 5 * scales_;
        if (often()) put(frame_, 10, parameter);
        if (often()) put(frame_, 12, static_cast<std::uint32_t>(table));

        fit(64 + table);
        std::size_t kept = n;
        if (encoding.scope == Scope::sparse) {
            if (n % 8 != 0 && often()) frame_[64 + n / 8] &= static_cast<std::uint8_t>((1 << n % 8) - 1);
            kept = 0;
            for (std::size_t i = 0; i < table; ++i)
                for (unsigned bits = frame_[64 + i]; bits != 0; bits &= bits - 1) ++kept;
            if (!often()) kept ^= 1;
        }
        constexpr std::size_t sizes[] = {4, 2, 2, 1};
        fit(64 + table + (encoding.values == Values::int4
                           ? (n + 1) / 2
                           : kept * sizes[static_cast<int>(encoding.values)]));
        if (encoding.values == Values::int4 && n % 2 != 0 && often()) frame_.back() &= 0x0F;
    }

    // Bytes that are missing are taken from those that are there.
    void fit(std::size_t size) {
        const std::size_t had = frame_.size();
        frame_.resize(size);
        for (std::size_t i = had; i < size; ++i)
            frame_[i] = random_.below(4) > 0 ? frame_[i - had / 2 - 1]
                                             : static_cast<std::uint8_t>(random_.next());
    }

    float usable_scale(float scale, Values values) {
        const float steps = values == Values::int8 ? 255.0f : 15.0f;
        if (scale >= 0x1p-126f && scale <= 3.4028235e38f / steps) return scale;
        return often() ? std::ldexp(1.0f, static_cast<int>(random_.below(245)) - 126) : scale;
    }

    void quantiser(const truth::Encoding& encoding) {
        const bool table = encoding.scope == Scope::channel || encoding.scope == Scope::group32;
        if (!encoding.quantised() || table) {
            if (often()) put(frame_, 40, std::uint64_t{0});
        } else {
            put(frame_, 40, usable_scale(get<float>(frame_, 40), encoding.values));
            const auto zero_point = get<std::int32_t>(frame_, 44);
            if (often())
                put(frame_, 44, encoding.values == Values::int8
                                    ? static_cast<std::int32_t>(static_cast<std::int8_t>(zero_point))
                                    : zero_point & 15);
        }
        for (std::size_t i = 0; table && i < scales_; ++i) {
            const std::size_t at = 64 + 4 * i, zero = 64 + 4 * scales_ + i;
            put(frame_, at, usable_scale(get<float>(frame_, at), encoding.values));
            if (encoding.values == Values::int4 && random_.below(400) > 0) frame_[zero] &= 15;
        }
    }

    void checksum() {
        std::uint32_t sum = 0;
        if (frame_[8] & 1)
            sum = truth::crc32c(frame_.data() + 64, frame_.size() - 64,
                                truth::crc32c(frame_.data(), 60, 0));
        put(frame_, 60, sum);
    }

    Bytes& frame_;
    native::Random& random_;
    std::size_t elements_ = 1;
    std::size_t scales_ = 0;
};

}  // namespace

Bytes repaired(Bytes frame, native::Random& random) {
    Repair(frame, random).run();
    return frame;
}

}  // namespace fuzz
