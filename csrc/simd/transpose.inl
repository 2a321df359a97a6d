// Columns of a group of rows: one lane is one row. Included by scores.inl.

// Rows r, r + 4, r + 8 and so on of a group, four classes of each.
template <typename Start>
inline Floats every_fourth(const Start& start, std::size_t r, std::size_t k) {
#if COINFER_VECTOR_BYTES == 64
    return blocks(start(r) + k, start(r + 4) + k, start(r + 8) + k, start(r + 12) + k);
#elif COINFER_VECTOR_BYTES == 32
    return blocks(start(r) + k, start(r + 4) + k);
#else
    return blocks(start(r) + k);
#endif
}

// `start` gives where the row of a lane starts.
template <typename Start>
inline void transpose(const Start& start, std::size_t classes, Floats* columns) {
    if (classes < 4) {
        for (std::size_t k = 0; k < classes; ++k)
            for (std::size_t i = 0; i < lanes; ++i) columns[k][i] = start(i)[k];
        return;
    }
    for (std::size_t k = 0; k < classes; k += 4) {
        // The last step begins early enough to stay within the rows; it repeats some columns.
        const std::size_t first = std::min(k, classes - 4);
        const Floats a = every_fourth(start, 0, first), b = every_fourth(start, 1, first);
        const Floats c = every_fourth(start, 2, first), d = every_fourth(start, 3, first);
        const Floats ab = low_pairs(a, b), cd = low_pairs(c, d);
        const Floats ab_high = high_pairs(a, b), cd_high = high_pairs(c, d);
        columns[first] = low_halves(ab, cd);
        columns[first + 1] = high_halves(ab, cd);
        columns[first + 2] = low_halves(ab_high, cd_high);
        columns[first + 3] = high_halves(ab_high, cd_high);
    }
}
