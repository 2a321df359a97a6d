// Shuffles of two registers. Included once per instruction set, inside its namespace.

// The four steps that a transposition is made of, within each 128-bit block of a register, and
// the load of one block from each of several places. low_blocks takes every other block of `a`,
// then of `b`, from the first on; high_blocks from the second on.
#if defined(__x86_64__) && COINFER_VECTOR_BYTES == 64
inline Floats low_pairs(Floats a, Floats b) { return _mm512_unpacklo_ps(a, b); }
inline Floats high_pairs(Floats a, Floats b) { return _mm512_unpackhi_ps(a, b); }
inline Floats low_halves(Floats a, Floats b) { return _mm512_shuffle_ps(a, b, 0x44); }
inline Floats high_halves(Floats a, Floats b) { return _mm512_shuffle_ps(a, b, 0xEE); }
inline Floats blocks(const float* a, const float* b, const float* c, const float* d) {
    __m512 v = _mm512_castps128_ps512(_mm_loadu_ps(a));
    v = _mm512_insertf32x4(v, _mm_loadu_ps(b), 1);
    v = _mm512_insertf32x4(v, _mm_loadu_ps(c), 2);
    return _mm512_insertf32x4(v, _mm_loadu_ps(d), 3);
}
inline Floats low_blocks(Floats a, Floats b) { return _mm512_shuffle_f32x4(a, b, 0x88); }
inline Floats high_blocks(Floats a, Floats b) { return _mm512_shuffle_f32x4(a, b, 0xDD); }
#elif defined(__x86_64__) && COINFER_VECTOR_BYTES == 32
inline Floats low_pairs(Floats a, Floats b) { return _mm256_unpacklo_ps(a, b); }
inline Floats high_pairs(Floats a, Floats b) { return _mm256_unpackhi_ps(a, b); }
inline Floats low_halves(Floats a, Floats b) { return _mm256_shuffle_ps(a, b, 0x44); }
inline Floats high_halves(Floats a, Floats b) { return _mm256_shuffle_ps(a, b, 0xEE); }
inline Floats blocks(const float* a, const float* b) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(a)), _mm_loadu_ps(b), 1);
}
inline Floats low_blocks(Floats a, Floats b) { return _mm256_permute2f128_ps(a, b, 0x20); }
inline Floats high_blocks(Floats a, Floats b) { return _mm256_permute2f128_ps(a, b, 0x31); }
#else
inline Floats low_pairs(Floats a, Floats b) { return Floats{a[0], b[0], a[1], b[1]}; }
inline Floats high_pairs(Floats a, Floats b) { return Floats{a[2], b[2], a[3], b[3]}; }
inline Floats low_halves(Floats a, Floats b) { return Floats{a[0], a[1], b[0], b[1]}; }
inline Floats high_halves(Floats a, Floats b) { return Floats{a[2], a[3], b[2], b[3]}; }
inline Floats blocks(const float* a) { return load(a); }
#endif
