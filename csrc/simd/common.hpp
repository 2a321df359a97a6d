// What the bodies need, included before any "#pragma GCC target": code of these headers must not
// be compiled for an instruction set that the machine may not have.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "simd/crc_constants.hpp"
#include "simd/kernels.hpp"
#include "simd/permutations.hpp"
#include "simd/platform.hpp"
