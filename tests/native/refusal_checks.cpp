#include <algorithm>
#include <cstring>
#include <limits>
#include <string>

#include "checks.hpp"
#include "frames.hpp"
#include "inputs.hpp"
#include "parts.hpp"

namespace native {
namespace {

// The field that a reader finds at fault; empty when it accepts the frame.
std::string fault_of(const coinfer::Kernels& kernels, const truth::Bytes& bytes) {
    Block<std::uint8_t> frame(bytes.size(), bytes.size() % 8);
    std::copy(bytes.begin(), bytes.end(), frame.data());
    try {
        coinfer::verify(kernels, coinfer::parse(frame.data(), bytes.size()), frame.data());
        return "";
    } catch (const coinfer::Fault& fault) {
        return fault.field;
    }
}

truth::Frame frame_of(const truth::Encoding& encoding, bool crc) {
    return truth::encode(tensor(Family::relu, 45, true, 5), {3, 3, 5}, encoding, crc);
}

template <typename T>
truth::Bytes with(truth::Bytes bytes, std::size_t at, T value) {
    std::memcpy(bytes.data() + at, &value, sizeof value);
    return bytes;
}

void check_damage(const coinfer::Kernels& kernels, const truth::Encoding& encoding) {
    const truth::Bytes good = frame_of(encoding, true).bytes;
    expect(fault_of(kernels, good).empty(), "%s refuses a good %s frame", kernels.name,
           encoding.name);
    for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
        truth::Bytes damaged = good;
        damaged[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
        expect(!fault_of(kernels, damaged).empty(), "%s accepts %s with bit %zu flipped",
               kernels.name, encoding.name, bit);
    }
    for (std::size_t length = 0; length < good.size(); ++length) {
        const truth::Bytes part(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length));
        expect(fault_of(kernels, part) == "length", "%s accepts %zu bytes of a %s frame",
               kernels.name, length, encoding.name);
    }
    truth::Bytes longer = good;
    longer.push_back(0);
    expect(fault_of(kernels, longer) == "length", "%s accepts a longer %s frame", kernels.name,
           encoding.name);
}

void check_header(const coinfer::Kernels& kernels, const truth::Encoding& encoding) {
    const truth::Bytes good = frame_of(encoding, false).bytes;
    struct Damage {
        const char* field;
        truth::Bytes bytes;
    };
    constexpr float nan = std::numeric_limits<float>::quiet_NaN();
    const bool one_scale = encoding.quantised() && encoding.scope != truth::Scope::channel &&
                           encoding.scope != truth::Scope::group32;
    // One byte less is one value less.
    const bool any_number =
        encoding.scope == truth::Scope::sparse && encoding.values == truth::Values::int8;
    const Damage damages[] = {
        {"magic", with(good, 3, 'G')},
        {"version", with<std::uint8_t>(good, 4, 2)},
        {"encoding", with<std::uint8_t>(good, 5, 0)},
        {"encoding", with<std::uint8_t>(good, 5, 12)},
        {"dtype", with<std::uint8_t>(good, 6, 2)},
        {"ndim", with<std::uint8_t>(good, 7, 5)},
        {"flags", with<std::uint16_t>(good, 8, 2)},
        {"parameter", with<std::uint16_t>(good, 10, 2)},
        {"table_bytes", with<std::uint32_t>(good, 12, 1000)},
        {"dims", with<std::uint32_t>(good, 28, 1)},
        {"dims", with<std::uint32_t>(good, 16, 0x20000000)},
        {"payload_bytes", with<std::uint64_t>(good, 32, 1u << 30)},
        {any_number ? "length" : "payload_bytes", with(good, 32, good.size() - 64 - 1)},
        {"scale", with(good, 40, one_scale ? nan : 1.0f)},
        {"zero_point", with(good, 44, one_scale ? 1000 : 1)},
        {"reserved", with<std::uint8_t>(good, 59, 1)},
        {"crc", with<std::uint32_t>(good, 60, 1)},
        {"crc", with<std::uint16_t>(good, 8, 1)},
    };
    for (const Damage& damage : damages) {
        const std::string field = fault_of(kernels, damage.bytes);
        expect(field == damage.field, "%s %s: '%s' is at fault, not %s", kernels.name,
               encoding.name, field.c_str(), damage.field);
    }
}

// What only the table and the values show. 45 elements: 3 channels, 2 groups, 6 bytes of bitmap.
void check_payload(const coinfer::Kernels& kernels, const truth::Encoding& encoding) {
    const truth::Bytes good = frame_of(encoding, false).bytes;
    const auto refuses = [&](const char* field, const truth::Bytes& bytes) {
        const std::string found = fault_of(kernels, bytes);
        expect(found == field, "%s %s: '%s' is at fault, not %s", kernels.name, encoding.name,
               found.c_str(), field);
    };
    const bool int4 = encoding.values == truth::Values::int4;
    const std::size_t scales = encoding.scope == truth::Scope::channel   ? 3
                               : encoding.scope == truth::Scope::group32 ? 2
                                                                         : 0;
    const float most = std::numeric_limits<float>::max() / (int4 ? 15.0f : 255.0f);
    for (std::size_t i = 0; i < scales; ++i) {
        for (const float scale : {0.0f, -1.0f, 0x1.fffffcp-127f, 1.0001f * most,
                                  std::numeric_limits<float>::infinity(),
                                  std::numeric_limits<float>::quiet_NaN()})
            refuses("scales", with(good, 64 + 4 * i, scale));
        for (const float scale : {0x1p-126f, most}) refuses("", with(good, 64 + 4 * i, scale));
        for (int zero_point = 0; zero_point < 256; ++zero_point)
            refuses(int4 && zero_point > 15 ? "zero_points" : "",
                    with(good, 64 + 4 * scales + i, static_cast<std::uint8_t>(zero_point)));
    }
    if (int4)
        refuses("padding", with(good, good.size() - 1, static_cast<std::uint8_t>(good.back() | 16)));
    if (encoding.scope != truth::Scope::sparse) return;
    for (std::size_t bit = 0; bit < 48; ++bit)
        refuses("bitmap", with(good, 64 + bit / 8,
                               static_cast<std::uint8_t>(good[64 + bit / 8] ^ (1 << bit % 8))));
}

void check_unquantisable(const coinfer::Kernels& kernels, const truth::Encoding& encoding) {
    constexpr float most = std::numeric_limits<float>::max();
    constexpr float infinity = std::numeric_limits<float>::infinity();
    for (const std::size_t count : lengths()) {
        if (count < 2 || count > 200) continue;
        const truth::Shape shape = {static_cast<std::uint32_t>(count)};
        Block<float> x(count);
        const coinfer::Header header = header_of(encoding, shape);
        Block<std::uint8_t> frame(coinfer::largest_frame(header));
        for (const float bad : {std::numeric_limits<float>::quiet_NaN(), infinity, -infinity, most})
            for (std::size_t at : {std::size_t{0}, count / 2, count - 1}) {
                if (bad == most && at % 2 == 0 && at + 1 == count) --at;  // no partner
                for (std::size_t i = 0; i < count; ++i) x[i] = 1.0f;
                x[at] = bad;
                // The opposite in the same group of 32: an even element and the next one.
                if (bad == most) x[at ^ 1] = -most;
                bool refused = false;
                try {
                    coinfer::encode(kernels, x.data(), header, true, frame.data());
                } catch (const coinfer::Unquantisable&) {
                    refused = true;
                }
                expect(refused, "%s %s encodes %a at %zu of %zu", kernels.name, encoding.name, bad,
                       at, count);
            }
    }
}

}  // namespace

void check_refusals(const coinfer::Kernels& kernels) {
    for (const truth::Encoding& encoding : truth::encodings()) {
        check_damage(kernels, encoding);
        check_header(kernels, encoding);
        check_payload(kernels, encoding);
        if (encoding.quantised()) check_unquantisable(kernels, encoding);
    }
}

}  // namespace native
