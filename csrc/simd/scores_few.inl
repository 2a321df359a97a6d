// Few classes: a group of rows at once, or a row alone. Included by scores.inl.
//
// Both add up class k into sum k mod 4, and then the sums 0 with 2, 1 with 3, and these two.

constexpr std::size_t few_classes = 32;
constexpr std::size_t few_rows = lanes / 4;  // up to here, one after another is faster

struct Adjacent {
    const float* first;
    std::size_t classes;
    const float* operator()(std::size_t i) const { return first + i * classes; }
};

struct Listed {
    const float* const* starts;
    const float* operator()(std::size_t i) const { return starts[i]; }
};

// As many rows as there are lanes.
template <unsigned wanted, typename Start>
inline Reduced<Floats> across(const Start& start, std::size_t classes, float binary) {
    Floats columns[few_classes];
    transpose(start, classes, columns);
    Reduced<Floats> rows = nothing_yet<Floats>();
    for (std::size_t k = 0; k < classes; ++k) {
        const Floats v = columns[k];
        // The first of equals stays.
        if (wanted & wants_label)
            rows.label = v > rows.most ? all(static_cast<std::int32_t>(k)) : rows.label;
        offer<wanted>(rows, v);
    }
    Sums<Floats> a = {Floats{}, Floats{}}, b = a, c = a, d = a;
    std::size_t k = 0;
    for (; k + 4 <= classes; k += 4) {
        add<wanted>(a, columns[k], rows.most, binary);
        add<wanted>(b, columns[k + 1], rows.most, binary);
        add<wanted>(c, columns[k + 2], rows.most, binary);
        add<wanted>(d, columns[k + 3], rows.most, binary);
    }
    if (k < classes) add<wanted>(a, columns[k], rows.most, binary);
    if (k + 1 < classes) add<wanted>(b, columns[k + 1], rows.most, binary);
    if (k + 2 < classes) add<wanted>(c, columns[k + 2], rows.most, binary);
    rows.total = (a.total + c.total) + (b.total + d.total);
    rows.weighted = (a.weighted + c.weighted) + (b.weighted + d.weighted);
    return rows;
}

inline Quad load_quad(const float* from) {
    Quad v;
    std::memcpy(&v, from, sizeof v);
    return v;
}
inline Quad swap_halves(Quad v) { return Quad{v[2], v[3], v[0], v[1]}; }
inline Quad swap_pairs(Quad v) { return Quad{v[1], v[0], v[3], v[2]}; }

// One row; the result is in lane 0.
template <unsigned wanted>
inline Reduced<Quad> alone(const float* x, std::size_t classes, float binary) {
    const std::size_t whole = classes / 4 * 4, rest = classes - whole;
    Quad tail = spread<Quad>(-infinity);
    if (rest > 0) tail[0] = x[whole];
    if (rest > 1) tail[1] = x[whole + 1];
    if (rest > 2) tail[2] = x[whole + 2];

    Reduced<Quad> row = nothing_yet<Quad>();
    row.most = tail;
    for (std::size_t k = 0; k < whole; k += 4)
        offer<wanted>(row, load_quad(x + k));
    merge<wanted>(row, swap_halves(row.most), swap_halves(row.second));
    merge<wanted>(row, swap_pairs(row.most), swap_pairs(row.second));

    Sums<Quad> sums = {Quad{}, Quad{}};
    std::uint32_t largest = 0;
    for (std::size_t k = 0; k < whole; k += 4) {
        const Quad v = load_quad(x + k);
        add<wanted>(sums, v, row.most, binary);
        if (wanted & wants_label) largest |= equal_lanes(v, row.most) << k;
    }
    if (rest > 0) {
        const auto there = IntegersOf<Quad>{0, 1, 2, 3} < static_cast<std::int32_t>(rest);
        add<wanted>(sums, tail, row.most, binary, there);
        if (wanted & wants_label) largest |= equal_lanes(tail, row.most) << whole;
    }
    row.total = sums.total + swap_halves(sums.total);
    row.total += swap_pairs(row.total);
    row.weighted = sums.weighted + swap_halves(sums.weighted);
    row.weighted += swap_pairs(row.weighted);
    // Without a largest the row is invalid, whatever the label.
    if (wanted & wants_label) row.label[0] = __builtin_ctz(largest | 1u << 31);
    return row;
}
