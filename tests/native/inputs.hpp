// Tensors to check with; the same on every machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "truth.hpp"

namespace native {

// A small generator (splitmix64), so that no library decides what is tested.
class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next();
    std::size_t below(std::size_t bound) { return next() % bound; }
    float uniform(float low, float high);  // both far below the largest float
    float normal();

private:
    std::uint64_t state_;
};

enum class Family { relu, normal, specials, one_sided, denormal, huge };
constexpr Family families[] = {Family::relu,      Family::normal,   Family::specials,
                               Family::one_sided, Family::denormal, Family::huge};
const char* name_of(Family family);

// `finite`: neither NaN nor infinity, and no range that a quantiser refuses.
truth::Floats tensor(Family family, std::size_t count, bool finite, std::uint64_t seed);

// Shapes of exactly `count` elements, for every way channels can lie.
std::vector<truth::Shape> shapes_of(std::size_t count);

// 0 to 130, and lengths around the blocks that larger inputs are taken in.
std::vector<std::size_t> lengths();

}  // namespace native
