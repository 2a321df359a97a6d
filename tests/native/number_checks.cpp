#include <algorithm>
#include <cmath>
#include <cstring>

#include "checks.hpp"
#include "inputs.hpp"
#include "parts.hpp"
#include "simd/crc.hpp"

namespace native {
namespace {

using Checksum = std::uint32_t (*)(const std::uint8_t* data, std::size_t length,
                                   std::uint32_t crc);

void check_crc(const char* name, Checksum crc32c) {
    const auto* digits = reinterpret_cast<const std::uint8_t*>("123456789");
    expect(crc32c(digits, 9, 0) == 0xE3069283, "%s crc32c of the digits", name);
    Random random(1);
    for (const std::size_t length : lengths())
        for (const std::size_t shift : {0, 1, 7, 13}) {
            Block<std::uint8_t> data(length, shift);
            for (std::size_t i = 0; i < length; ++i)
                data[i] = static_cast<std::uint8_t>(random.next());
            const auto start = static_cast<std::uint32_t>(random.next());
            const std::size_t part = random.below(length + 1);
            const std::uint32_t expected = truth::crc32c(data.data(), length, start);
            const std::uint32_t first = crc32c(data.data(), part, start);
            expect(crc32c(data.data(), length, start) == expected &&
                       crc32c(data.data() + part, length - part, first) == expected,
                   "%s crc32c of %zu bytes, cut at %zu", name, length, part);
        }
}

// At all distances of source and target within a page that matter to it.
void check_copy(const coinfer::Kernels& kernels) {
    for (const std::size_t length : {0, 1, 2047, 2048, 2049, 4099})
        for (const std::size_t beyond : {0, 1, 16, 31, 32, 63, 64, 4095}) {
            std::vector<std::uint8_t> memory(3 * 4096 + 2 * length + 64);
            std::uint8_t* const from = memory.data() + length % 3;
            const std::size_t apart = (length / 4096 + 1) * 4096 + beyond;
            std::uint8_t* const to = from + apart;
            for (std::size_t i = 0; i < length; ++i) from[i] = static_cast<std::uint8_t>(i * 7 + 1);
            to[length] = 0x5A, to[-1] = 0x5A;
            kernels.copy(from, length, to);
            expect(std::equal(from, from + length, to) && to[length] == 0x5A && to[-1] == 0x5A,
                   "%s copy of %zu bytes, %zu beyond", kernels.name, length, beyond);
        }
}

// Every bit pattern of 16 bits, in pieces that end in every lane.
template <typename Widen, typename Truth>
void check_widening(const char* set, const char* what, Widen widen, Truth truth_of) {
    for (std::size_t first = 0, length = 1; first < 65536; first += length, length %= 61, ++length) {
        const std::size_t count = std::min<std::size_t>(length, 65536 - first);
        Block<std::uint8_t> halves(2 * count, length % 3);
        Block<float> out(count);
        for (std::size_t i = 0; i < count; ++i) {
            const auto half = static_cast<std::uint16_t>(first + i);
            std::memcpy(halves.data() + 2 * i, &half, sizeof half);
        }
        widen(halves.data(), count, out.data());
        for (std::size_t i = 0; i < count; ++i) {
            const float expected = truth_of(static_cast<std::uint16_t>(first + i));
            expect(std::isnan(expected) ? std::isnan(out[i])
                                        : truth::bits_of(out[i]) == truth::bits_of(expected),
                   "%s %s of %zx: %a, not %a", set, what, first + i, out[i], expected);
        }
        expect(out.intact(), "%s %s wrote beside %zu floats", set, what, count);
    }
}

// All kinds of numbers, and random bit patterns.
template <typename Narrow, typename Truth>
void check_narrowing(const char* set, const char* what, Narrow narrow, Truth truth_of,
                     std::uint16_t exponent_bits) {
    Random random(2);
    for (const std::size_t count : lengths())
        for (const Family family : families) {
            truth::Floats x = tensor(family, count, false, 3);
            if (family == Family::one_sided)
                for (float& value : x)
                    value = truth::float_of(static_cast<std::uint32_t>(random.next()));
            Block<float> input(count, 4 * (count % 5));
            Block<std::uint8_t> out(2 * count, count % 7);
            if (count > 0) std::memcpy(input.data(), x.data(), count * sizeof(float));
            narrow(input.data(), count, out.data());
            for (std::size_t i = 0; i < count; ++i) {
                std::uint16_t half;
                std::memcpy(&half, out.data() + 2 * i, sizeof half);
                const bool nan = (half & 0x7FFF) > exponent_bits;
                expect(std::isnan(x[i]) ? nan : half == truth_of(x[i]), "%s %s of %a gives %x",
                       set, what, x[i], half);
            }
            expect(out.intact(), "%s %s wrote beside %zu values", set, what, count);
        }
}

// A bit for each element that has any bit set, and these elements one after another; and back.
void check_sparse(const coinfer::Kernels& kernels, std::size_t count, Family family) {
    const truth::Floats x = tensor(family, count, false, 6);
    truth::Bytes bitmap((count + 7) / 8, 0), kept;
    for (std::size_t i = 0; i < count; ++i) {
        if (truth::bits_of(x[i]) == 0) continue;
        bitmap[i / 8] |= static_cast<std::uint8_t>(1 << i % 8);
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(&x[i]);
        kept.insert(kept.end(), bytes, bytes + sizeof(float));
    }
    const std::size_t values = kept.size() / sizeof(float);

    Block<float> input(count, 4), out(count);
    if (count > 0) std::memcpy(input.data(), x.data(), count * sizeof(float));
    Block<std::uint8_t> bits(bitmap.size(), count % 5), packed(count * sizeof(float), count % 11);
    const std::size_t written = kernels.compress(input.data(), count, bits.data(), packed.data());
    expect(written == values && std::equal(bitmap.begin(), bitmap.end(), bits.data()) &&
               std::equal(kept.begin(), kept.end(), packed.data()) && bits.intact() &&
               packed.intact(),
           "%s compress of %zu (%s): %zu values", kernels.name, count, name_of(family), written);
    expect(kernels.population(bits.data(), bitmap.size()) == values, "%s population of %zu bits",
           kernels.name, count);

    // With no byte more than there are values.
    Block<std::uint8_t> exact(kept.size(), count % 3);
    std::copy(kept.begin(), kept.end(), exact.data());
    const std::size_t taken = kernels.expand(bits.data(), count, exact.data(), values, out.data());
    bool right = taken == values && out.intact();
    for (std::size_t i = 0; i < count; ++i)
        right = right && truth::bits_of(out[i]) == truth::bits_of(x[i]);
    expect(right, "%s expand of %zu (%s) with %zu values", kernels.name, count, name_of(family),
           values);
}

void check_nibbles(const coinfer::Kernels& kernels, std::size_t count) {
    Random random(7);
    Block<std::int8_t> codes(count, 1), back(count, 3);
    Block<std::uint8_t> packed((count + 1) / 2, 2);
    for (std::size_t i = 0; i < count; ++i) codes[i] = static_cast<std::int8_t>(random.below(16));
    kernels.pack4(codes.data(), count, packed.data());
    for (std::size_t i = 0; i < (count + 1) / 2; ++i) {
        const int high = 2 * i + 1 < count ? codes[2 * i + 1] : 0;
        expect(packed[i] == codes[2 * i] + 16 * high, "%s pack4 of %zu at %zu", kernels.name, count, i);
    }
    kernels.unpack4(packed.data(), count, back.data());
    expect(std::equal(codes.data(), codes.data() + count, back.data()) && packed.intact() &&
               back.intact(),
           "%s unpack4 of %zu", kernels.name, count);
}

}  // namespace

void check_checksums() {
#if COINFER_X86_SETS
    for (const coinfer::Kernels* kernels : coinfer::available())
        if (kernels == &coinfer::avx2) check_crc("pclmul", coinfer::crc32c_pclmul);
    if (coinfer::has_vpclmul()) check_crc("vpclmul", coinfer::crc32c_vpclmul);
#endif
}

void check_numbers(const coinfer::Kernels& kernels) {
    check_crc(kernels.name, kernels.crc32c);
    check_copy(kernels);
    check_widening(kernels.name, "widen", kernels.widen, truth::float_of_half);
    check_narrowing(kernels.name, "narrow", kernels.narrow, truth::half_of, 0x7C00);
    check_widening(kernels.name, "widen_bf16", kernels.widen_bf16, truth::float_of_bf16);
    check_narrowing(kernels.name, "narrow_bf16", kernels.narrow_bf16, truth::bf16_of, 0x7F80);
    for (const std::size_t count : lengths()) {
        for (const Family family : families) check_sparse(kernels, count, family);
        check_nibbles(kernels, count);
    }
}

}  // namespace native
