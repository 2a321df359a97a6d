// What differs between compilers and processors.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__)
#define COINFER_X86_SETS 1
#else
#define COINFER_X86_SETS 0
#endif

#ifdef __aarch64__
#define COINFER_NEON_SET 1
#else
#define COINFER_NEON_SET 0
#endif

#define COINFER_PRAGMA(...) _Pragma(#__VA_ARGS__)

// The functions between the two are compiled for an instruction set. GCC takes it as an
// architecture; clang, which knows no architecture here, as a list of all features.
#ifdef __clang__
#define COINFER_TARGET_PUSH(architecture, features) \
    COINFER_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define COINFER_TARGET_POP COINFER_PRAGMA(clang attribute pop)
#else
#define COINFER_TARGET_PUSH(architecture, features) \
    COINFER_PRAGMA(GCC push_options) COINFER_PRAGMA(GCC target(architecture))
#define COINFER_TARGET_POP COINFER_PRAGMA(GCC pop_options)
#endif
