#pragma once

// The sets beyond the baseline rely on "#pragma GCC target", which clang does not know.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define COINFER_X86_SETS 1
#else
#define COINFER_X86_SETS 0
#endif
