// Many classes: one row after another, reduced along its classes. Included by scores.inl.

// Position of the first of `classes` that equals `most`; 0 if none does.
inline std::int32_t first_equal(const float* x, std::size_t classes, Floats most) {
    std::size_t k = 0;
    for (; k + lanes <= classes; k += lanes) {
        const std::uint32_t equal = equal_lanes(load(x + k), most);
        if (equal != 0) return static_cast<std::int32_t>(k) + __builtin_ctz(equal);
    }
    for (; k < classes; ++k)
        if (x[k] == most[0]) return static_cast<std::int32_t>(k);
    return 0;
}

// One row, put into one lane of `rows`; classes >= lanes.
template <unsigned wanted>
inline void along(const float* x, std::size_t classes, float binary, std::size_t lane,
                  Reduced<Floats>& rows) {
    constexpr std::size_t chains = 4;
    const std::size_t whole = classes / lanes * lanes, rest = classes - whole;
    // The last lanes of the row, of which only those beyond `whole` are new.
    const Ints fresh = lane_numbers() >= static_cast<std::int32_t>(lanes - rest);
    const Floats tail = fresh ? load(x + classes - lanes) : all(-infinity);

    Reduced<Floats> part[chains] = {nothing_yet<Floats>(), nothing_yet<Floats>(),
                                    nothing_yet<Floats>(), nothing_yet<Floats>()};
    std::size_t k = 0;
    for (; k + chains * lanes <= whole; k += chains * lanes)
        for (std::size_t i = 0; i < chains; ++i) offer<wanted>(part[i], load(x + k + i * lanes));
    for (; k < whole; k += lanes) offer<wanted>(part[0], load(x + k));
    offer<wanted>(part[1], tail);
    merge<wanted>(part[0], part[1].most, part[1].second);
    merge<wanted>(part[2], part[3].most, part[3].second);
    merge<wanted>(part[0], part[2].most, part[2].second);
    Reduced<Floats>& row = part[0];
#pragma GCC unroll 4
    for (std::size_t step = lanes / 2; step > 0; step /= 2) {
        const Ints other = lane_numbers() ^ static_cast<std::int32_t>(step);
        merge<wanted>(row, shuffle(row.most, other), shuffle(row.second, other));
    }

    for (k = 0; k + 2 * lanes <= whole; k += 2 * lanes) {
        add<wanted>(row, load(x + k), row.most, binary);
        add<wanted>(part[1], load(x + k + lanes), row.most, binary);
    }
    if (k < whole) add<wanted>(row, load(x + k), row.most, binary);
    add<wanted>(part[1], tail, row.most, binary, fresh);

    rows.most[lane] = row.most[0];
    rows.total[lane] = over_lanes<Sum>(row.total + part[1].total)[0];
    if (wanted & wants_second) rows.second[lane] = row.second[0];
    if (wanted & wants_weighted)
        rows.weighted[lane] = over_lanes<Sum>(row.weighted + part[1].weighted)[0];
    if (wanted & wants_label) rows.label[lane] = first_equal(x, classes, row.most);
}
