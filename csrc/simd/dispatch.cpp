#include "simd/kernels.hpp"
#include "simd/platform.hpp"

namespace coinfer {

std::vector<const Kernels*> available() {
    std::vector<const Kernels*> sets;
#if COINFER_X86_SETS
    __builtin_cpu_init();
    if (__builtin_cpu_supports("x86-64-v4") && __builtin_cpu_supports("vpclmulqdq"))
        sets.push_back(&avx512);
    if (__builtin_cpu_supports("x86-64-v3") && __builtin_cpu_supports("pclmul"))
        sets.push_back(&avx2);
#endif
    sets.push_back(&baseline);
    return sets;
}

}  // namespace coinfer
