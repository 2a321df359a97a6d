// Feature change between two batches. Included once per instruction set, inside its namespace.
//
// One pass: products of float32 are exact in float64, so the sums may be subtracted afterwards
// and the norms need not be known beforehand.

inline double change_of(double pp, double cc, double pc, Change kind) {
    if (!(pp + cc < std::numeric_limits<double>::infinity()))
        return std::numeric_limits<double>::quiet_NaN();
    if (pp == 0 && cc == 0) return 0;
    if (kind == Change::relative_l2)
        return pp == 0 ? std::numeric_limits<double>::infinity()
                       : std::sqrt(std::max((pp + cc) - 2 * pc, 0.0) / pp);
    // A zero vector has no direction; against another one both changes are 1.
    const bool directed = pp > 0 && cc > 0;
    const double cosine = directed ? pc / std::sqrt(pp * cc) : 0;
    if (kind == Change::cosine) return 1 - cosine;
    return directed ? std::sqrt(std::max(2 - 2 * cosine, 0.0)) : 1;
}

void change(const float* previous, const float* current, std::size_t width, Rows rows,
            Change kind, float* out) {
    for (std::size_t i = 0; i < rows.count; ++i) {
        const std::size_t row = rows.list == nullptr ? i : rows.list[i];
        const float* p = previous + row * width;
        const float* c = current + row * width;
        double pp = 0, cc = 0, pc = 0;
#pragma omp simd reduction(+ : pp, cc, pc)
        for (std::size_t k = 0; k < width; ++k) {
            const double before = p[k], after = c[k];
            pp += before * before;
            cc += after * after;
            pc += before * after;
        }
        out[row] = static_cast<float>(change_of(pp, cc, pc, kind));
    }
}
