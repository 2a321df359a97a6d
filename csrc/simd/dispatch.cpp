#include "simd/crc.hpp"
#include "simd/kernels.hpp"
#include "simd/platform.hpp"

namespace coinfer {
#if COINFER_X86_SETS
namespace {

// x86-64-v3 and x86-64-v4: clang does not know these names, but what it can ask for stands for
// the rest (every processor with AVX2 converts half floats, too).
#ifdef __clang__
bool has_v3() {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("popcnt");
}
bool has_v4() {
    return has_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}
#else
bool has_v3() { return __builtin_cpu_supports("x86-64-v3"); }
bool has_v4() { return __builtin_cpu_supports("x86-64-v4"); }
#endif

}  // namespace

bool has_vpclmul() {
    __builtin_cpu_init();
    return __builtin_cpu_supports("vpclmulqdq");
}
#endif

std::vector<const Kernels*> available() {
    std::vector<const Kernels*> sets;
#if COINFER_X86_SETS
    __builtin_cpu_init();
    if (has_v4() && has_vpclmul())
        sets.push_back(&avx512);
    if (has_v3() && __builtin_cpu_supports("pclmul")) sets.push_back(&avx2);
#endif
#if COINFER_NEON_SET
    sets.push_back(&neon);
#endif
    sets.push_back(&baseline);
    return sets;
}

}  // namespace coinfer
