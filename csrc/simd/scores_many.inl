// Many classes: rows are reduced along their classes, up to four rows together, so that they share
// what has to be combined across lanes. Included by scores.inl.

// As many as leave room for as many more in a cache of 32 KB.
inline std::size_t rows_together(std::size_t classes) { return classes <= 1024 ? 4 : 1; }

// Ways to combine two vectors. Not lambdas: their conversion to a pointer would not be compiled
// for the instruction set.
struct Add {
    template <typename Vector>
    Vector operator()(Vector a, Vector b) const {
        return a + b;
    }
};
struct Lesser {
    template <typename Vector>
    Vector operator()(Vector a, Vector b) const {
        using Bits = IntegersOf<Vector>;
        return (Vector)((Bits)a < (Bits)b ? (Bits)a : (Bits)b);
    }
};

// The first four lanes.
inline Quad first_quad(Floats v) {
    Quad quad;
    std::memcpy(&quad, &v, sizeof quad);
    return quad;
}

// Four rows with their lanes transposed within each 128-bit block: lane i of each is of row i.
struct Transposed {
    Floats of[4];

    explicit Transposed(const Floats* rows) {
        const Floats ab = low_pairs(rows[0], rows[1]), cd = low_pairs(rows[2], rows[3]);
        const Floats ab_high = high_pairs(rows[0], rows[1]), cd_high = high_pairs(rows[2], rows[3]);
        of[0] = low_halves(ab, cd);
        of[1] = high_halves(ab, cd);
        of[2] = low_halves(ab_high, cd_high);
        of[3] = high_halves(ab_high, cd_high);
    }
};

// All lanes of each of four rows; lane i of the result is of row i.
template <typename Combine>
inline Quad over_rows(const Floats* rows) {
    const Transposed t(rows);
    const Combine combine;
    Floats v = combine(combine(t.of[0], t.of[1]), combine(t.of[2], t.of[3]));
    for (std::size_t step = lanes / 2; step >= 4; step /= 2)
        v = combine(v, shuffle(v, lane_numbers() ^ static_cast<std::int32_t>(step)));
    return first_quad(v);
}

// Position of the first of `classes` that equals `most`; 0 if none does.
inline std::int32_t first_equal(const float* x, std::size_t classes, float most) {
    std::size_t k = 0;
    for (; k + lanes <= classes; k += lanes) {
        const std::uint32_t equal = equal_lanes(load(x + k), all(most));
        if (equal != 0) return static_cast<std::int32_t>(k) + __builtin_ctz(equal);
    }
    for (; k < classes; ++k)
        if (x[k] == most) return static_cast<std::int32_t>(k);
    return 0;
}

// Where a row ends: its last lanes, of which only those beyond `whole` are new.
struct Ending {
    std::size_t whole;
    std::size_t rest;
    Ints fresh;

    explicit Ending(std::size_t classes)
        : whole(classes / lanes * lanes),
          rest(classes - whole),
          fresh(lane_numbers() >= static_cast<std::int32_t>(lanes - rest)) {}

    // Minus infinity is never the largest, and what it adds is lost beside the 1 of the largest.
    Floats of(const float* x) const {
        return fresh ? load(x + whole + rest - lanes) : all(-infinity);
    }
};

// The largest and the second of each lane, and where those that were read together with the first
// of the largest begin.
template <unsigned wanted>
inline void extremes(const float* x, const Ending& ending, Floats& most, Floats& second,
                     Ints& begin) {
    Reduced<Floats> row = nothing_yet<Floats>();
    std::size_t k = 0;
    for (; k + 4 * lanes <= ending.whole; k += 4 * lanes) {
        const Floats a = load(x + k), b = load(x + k + lanes);
        const Floats c = load(x + k + 2 * lanes), d = load(x + k + 3 * lanes);
        const Floats ab = larger(a, b), cd = larger(c, d);
        const Floats largest = larger(ab, cd);
        if (wanted & wants_label)
            row.label = largest > row.most ? all(static_cast<std::int32_t>(k)) : row.label;
        Floats next = largest;
        if (wanted & wants_second)
            next = larger(larger(smaller(a, b), smaller(c, d)), smaller(ab, cd));
        merge<wanted>(row, largest, next);
    }
    for (; k < ending.whole + ending.rest; k += lanes) {
        const Floats v = k < ending.whole ? load(x + k) : ending.of(x);
        if (wanted & wants_label)
            row.label = v > row.most ? all(static_cast<std::int32_t>(k)) : row.label;
        offer<wanted>(row, v);
    }
    most = row.most;
    second = row.second;
    begin = row.label;
}

// Fetches the row at `next` meanwhile.
template <unsigned wanted>
inline Sums<Floats> sums_along(const float* x, const Ending& ending, float most, float binary,
                               const float* next) {
    const Floats largest = all(most);
    Sums<Floats> a = {Floats{}, Floats{}}, b = a;
    std::size_t k = 0;
    for (; k + 2 * lanes <= ending.whole; k += 2 * lanes) {
        __builtin_prefetch(next + k);
        __builtin_prefetch(next + k + lanes);
        add<wanted>(a, load(x + k), largest, binary);
        add<wanted>(b, load(x + k + lanes), largest, binary);
    }
    if (k < ending.whole) add<wanted>(a, load(x + k), largest, binary);
    if (ending.rest > 0) add<wanted>(b, ending.of(x), largest, binary);
    return {a.total + b.total, a.weighted + b.weighted};
}

// One to four rows, each a lane of the result, while as many `next` ones are fetched;
// classes >= lanes.
template <unsigned wanted>
inline Reduced<Quad> along(const float* const* rows, const float* const* next, std::size_t count,
                           std::size_t classes, float binary) {
    const Ending ending(classes);
    Floats most[4], second[4];
    Ints begin[4];
    for (std::size_t i = 0; i < 4; ++i) {
        if (i < count) {
            extremes<wanted>(rows[i], ending, most[i], second[i], begin[i]);
        } else {
            most[i] = most[0], second[i] = second[0], begin[i] = begin[0];
        }
    }
    Reduced<Quad> reduced = nothing_yet<Quad>();
    const Transposed m(most);
    Reduced<Floats> all_rows = nothing_yet<Floats>();
    all_rows.most = m.of[0];
    if (wanted & wants_second) {
        const Transposed s(second);
        all_rows.second = s.of[0];
        for (std::size_t i = 1; i < 4; ++i) merge<wanted>(all_rows, m.of[i], s.of[i]);
    } else {
        for (std::size_t i = 1; i < 4; ++i) merge<wanted>(all_rows, m.of[i], m.of[i]);
    }
    for (std::size_t step = lanes / 2; step >= 4; step /= 2) {
        const Ints other = lane_numbers() ^ static_cast<std::int32_t>(step);
        merge<wanted>(all_rows, shuffle(all_rows.most, other), shuffle(all_rows.second, other));
    }
    reduced.most = first_quad(all_rows.most);
    reduced.second = first_quad(all_rows.second);

    Floats total[4], weighted[4];
    for (std::size_t i = 0; i < 4; ++i) {
        if (i < count) {
            const Sums<Floats> sums =
                sums_along<wanted>(rows[i], ending, reduced.most[i], binary, next[i]);
            total[i] = sums.total, weighted[i] = sums.weighted;
        } else {
            total[i] = total[0], weighted[i] = weighted[0];
        }
    }
    reduced.total = over_rows<Add>(total);
    if (wanted & wants_weighted) reduced.weighted = over_rows<Add>(weighted);

    if (wanted & wants_label) {
        Floats begins[4];
        for (std::size_t i = 0; i < 4; ++i)
            begins[i] = (Floats)(most[i] == all(reduced.most[i]) ? begin[i] : all(INT32_MAX));
        const auto first = (IntegersOf<Quad>)over_rows<Lesser>(begins);
        for (std::size_t i = 0; i < count; ++i) {
            const auto from = static_cast<std::size_t>(first[i]);
            // Only of an invalid row no lane has the largest.
            if (from < classes)
                reduced.label[i] = first[i] + first_equal(rows[i] + from, classes - from,
                                                          reduced.most[i]);
        }
    }
    return reduced;
}
