// Powers of two by AVX-512: the fraction of the exponent from a table of 32 in two registers, and
// a parabola for what is left of it. Included by elementary.inl.

alignas(64) constexpr float fraction_powers[32] = {  // 2^(i / 32)
    1.0f, 1.0218972f, 1.04427373f, 1.06714046f, 1.09050775f, 1.1143868f, 1.13878858f, 1.1637249f,
    1.18920708f, 1.21524739f, 1.24185777f, 1.26905096f, 1.29683959f, 1.32523668f, 1.35425556f, 1.38390994f,
    1.41421354f, 1.44518077f, 1.47682619f, 1.50916445f, 1.54221082f, 1.5759809f, 1.61049032f, 1.64575553f,
    1.68179286f, 1.71861935f, 1.75625217f, 1.79470909f, 1.8340081f, 1.87416768f, 1.91520655f, 1.95714414f,
};

// 2^x for x in [-126, 0]; NaN gives NaN. The error is below 2e-7 of the result.
inline Floats power_of_two(Floats x) {
    // Rounding down everywhere, as vscalefps does with the exponent. Adding 1.5 * 2^18 leaves the
    // number of 32nds in the low bits, five of which are looked at.
    const Floats rest = _mm512_reduce_ps(x, (5 << 4) | _MM_FROUND_TO_NEG_INF);
    const Floats shifted = _mm512_add_round_ps(x, all(393216.0f),
                                               _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    const Floats fraction =
        _mm512_permutex2var_ps(_mm512_load_ps(fraction_powers), _mm512_castps_si512(shifted),
                               _mm512_load_ps(fraction_powers + 16));
    const Floats slope = multiply_add(all(0.242652692f), rest, all(0.693123732f));
    return _mm512_scalef_ps(multiply_add(fraction, slope * rest, fraction), x);
}

inline Quad power_of_two(Quad x) {
    return _mm512_castps512_ps128(power_of_two(_mm512_zextps128_ps512(x)));
}
