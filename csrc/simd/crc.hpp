// CRC32C for processors with AVX2, which may or may not multiply two blocks at once.
#pragma once

#include <cstddef>
#include <cstdint>

#include "simd/platform.hpp"

#if COINFER_X86_SETS
namespace coinfer {

// Both as in `Kernels`. By PCLMULQDQ, and by VPCLMULQDQ on 256-bit registers.
std::uint32_t crc32c_pclmul(const std::uint8_t* data, std::size_t length, std::uint32_t crc);
std::uint32_t crc32c_vpclmul(const std::uint8_t* data, std::size_t length, std::uint32_t crc);
bool has_vpclmul();

}  // namespace coinfer
#endif
