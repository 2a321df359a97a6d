// The parts of the driver; each checks one set of kernels.
#pragma once

#include <string>

#include "simd/kernels.hpp"

namespace native {

void check_checksums();  // those that AVX2 chooses from
void check_numbers(const coinfer::Kernels& kernels);     // CRC32C, copies, halves, bitmaps, nibbles
void check_frames(const coinfer::Kernels& kernels);      // encode and decode of whole frames
void check_refusals(const coinfer::Kernels& kernels);    // damaged frames, what cannot be encoded
void check_confidence(const coinfer::Kernels& kernels);  // exit scores and feature change
void check_fixtures(const coinfer::Kernels& kernels, const std::string& folder);

}  // namespace native
