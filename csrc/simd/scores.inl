// Confidence of rows of logits. Included once per instruction set, inside its namespace.
//
// One lane of the vectors below is one row. With few classes the whole computation runs that way;
// with many, each row is reduced along its classes first. The end is the same for both.

struct Reduced {
    Floats most;
    Floats second;
    Floats total;     // sum of exp(x - most)
    Floats weighted;  // sum of exp(x - most) * (x - most)
    Ints label;
    Ints invalid;
};

// Not member initialisers: the constructor would not be compiled for the instruction set.
inline Reduced no_rows() {
    return {all(-infinity), all(-infinity), all(0.0f), all(0.0f), all(0), all(0)};
}

constexpr std::size_t few_classes = 32;
constexpr float least_exponent = -87.0f;  // exp of it is still normal; what is below adds nothing

// exp(x) - 1 over x, for |x| <= ln(2) / 2: the Taylor series, whose rest is below 1e-8.
inline Floats exp_slope(Floats x) {
    Floats y = all(1.0f / 5040);
    y = y * x + 1.0f / 720;
    y = y * x + 1.0f / 120;
    y = y * x + 1.0f / 24;
    y = y * x + 1.0f / 6;
    y = y * x + 0.5f;
    return y * x + 1.0f;
}

// exp for x in [-87, 0].
inline Floats exponential(Floats x) {
    const Floats shifted = x * 1.44269504f + round_magic;
    const Floats power = shifted - round_magic;
    // ln 2 in two parts: the first has few bits, so that its product with an integer is exact.
    const Floats rest = (x - power * 0.693359375f) - power * -2.12194440e-4f;
    const Ints exponent = (Ints)shifted - (round_magic_bits - 127);
    return (exp_slope(rest) * rest + 1.0f) * (Floats)(exponent << 23);
}

// 1 - exp(x) for x in [-87, 0], without the cancellation near zero.
inline Floats one_minus_exponential(Floats x) {
    return x > -0.34f ? -x * exp_slope(x) : 1.0f - exponential(x);
}

// Natural logarithm for finite x >= 1, by the series of artanh.
inline Floats logarithm(Floats x) {
    // Taking off the bits of sqrt(1/2) puts the mantissa into [sqrt(1/2), sqrt(2)).
    const Ints offset = (Ints)x - 0x3F3504F3;
    const Ints power = offset >> 23;
    const Floats mantissa = (Floats)((offset & 0x007FFFFF) + 0x3F3504F3);
    const Floats t = (mantissa - 1.0f) / (mantissa + 1.0f);
    const Floats square = t * t;
    Floats y = all(2.0f / 9);
    y = y * square + 2.0f / 7;
    y = y * square + 2.0f / 5;
    y = y * square + 2.0f / 3;
    y = y * square + 2.0f;
    return y * t + __builtin_convertvector(power, Floats) * 0.693147181f;
}

inline void track(Reduced& rows, Floats v, std::int32_t position) {
    rows.second = larger(smaller(v, rows.most), rows.second);
    rows.label = v > rows.most ? all(position) : rows.label;  // the first of equals stays
    rows.most = larger(v, rows.most);
    rows.invalid |= ~(v < infinity);  // NaN or +Inf
}

inline void accumulate(Reduced& rows, Floats v, float inverse) {
    const Floats shifted = larger((v - rows.most) * inverse, all(least_exponent));
    const Floats e = exponential(shifted);
    rows.total += e;
    rows.weighted += e * shifted;
}

inline std::size_t place(Rows rows, std::size_t i) {
    return rows.list == nullptr ? i : rows.list[i];
}

// Few classes: up to `lanes` rows at once, no horizontal operations.
inline Reduced across(const float* logits, std::size_t classes, Rows rows, std::size_t at,
                      std::size_t count, float inverse) {
    Floats columns[few_classes];
    for (std::size_t k = 0; k < classes; ++k) {
        Floats column = {};
        for (std::size_t i = 0; i < count; ++i)
            column[i] = logits[place(rows, at + i) * classes + k];
        columns[k] = column;
    }
    Reduced reduced = no_rows();
    for (std::size_t k = 0; k < classes; ++k)
        track(reduced, columns[k], static_cast<std::int32_t>(k));
    for (std::size_t k = 0; k < classes; ++k) accumulate(reduced, columns[k], inverse);
    return reduced;
}

// Many classes: one row, put into one lane of `rows`.
inline void along(const float* x, std::size_t classes, float inverse, std::size_t lane,
                  Reduced& rows) {
    const std::size_t whole = classes / lanes * lanes;
    const Floats tail = load(x + whole, classes - whole, -infinity);
    Reduced part = no_rows();  // of the classes that fall into one lane
    for (std::size_t k = 0; k < whole; k += lanes)
        track(part, load(x + k), static_cast<std::int32_t>(k));
    track(part, tail, static_cast<std::int32_t>(whole));

    const Floats most = over_lanes<Largest>(part.most);
    const Ints position = part.label + lane_numbers();
    const Ints label = over_lanes<Smallest>(part.most == most ? position : all(INT32_MAX));
    // The lane of the largest offers its second, the others their largest.
    const Floats second = over_lanes<Largest>(position == label ? part.second : part.most);

    part.most = most;
    for (std::size_t k = 0; k < whole; k += lanes) accumulate(part, load(x + k), inverse);
    accumulate(part, tail, inverse);

    rows.most[lane] = most[0];
    rows.second[lane] = second[0];
    rows.total[lane] = over_lanes<Sum>(part.total)[0];
    rows.weighted[lane] = over_lanes<Sum>(part.weighted)[0];
    rows.label[lane] = label[0];
    rows.invalid[lane] = over_lanes<Any>(part.invalid)[0];
}

struct Finished {
    Floats max_prob;
    Floats entropy;
    Floats margin;
    Floats energy;
    Ints label;
};

inline Finished finish(const Reduced& rows, const Temperature& temperature) {
    // A row of -Inf alone has no softmax either.
    const Ints invalid = rows.invalid | (rows.most == -infinity);
    const Floats nan = all(std::numeric_limits<float>::quiet_NaN());
    const Floats inverse = 1.0f / rows.total;
    const Floats log_total = logarithm(rows.total);
    const Floats gap =
        larger((rows.second - rows.most) * temperature.inverse, all(least_exponent));
    return {invalid ? nan : inverse,
            invalid ? nan : log_total - rows.weighted * inverse,
            invalid ? nan : one_minus_exponential(gap) * inverse,
            invalid ? nan : -(rows.most + temperature.value * log_total),
            rows.label | invalid};  // all bits set: -1
}

inline Finished group(const float* logits, std::size_t classes, Rows rows, std::size_t at,
                      std::size_t count, const Temperature& temperature) {
    if (classes <= few_classes)
        return finish(across(logits, classes, rows, at, count, temperature.inverse), temperature);
    Reduced reduced = no_rows();
    for (std::size_t i = 0; i < count; ++i)
        along(logits + place(rows, at + i) * classes, classes, temperature.inverse, i, reduced);
    return finish(reduced, temperature);
}

void scores(const float* logits, std::size_t classes, Rows rows, const Temperature& temperature,
            Scores out) {
    for (std::size_t at = 0; at < rows.count; at += lanes) {
        const std::size_t count = std::min(lanes, rows.count - at);
        const Finished done = group(logits, classes, rows, at, count, temperature);
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t row = place(rows, at + i);
            out.max_prob[row] = done.max_prob[i];
            out.entropy[row] = done.entropy[i];
            out.margin[row] = done.margin[i];
            out.energy[row] = done.energy[i];
            out.label[row] = done.label[i];
        }
    }
}

void decide(const float* logits, std::size_t classes, Rows rows, const Temperature& temperature,
            Rule rule, float bound, bool* out) {
    for (std::size_t at = 0; at < rows.count; at += lanes) {
        const std::size_t count = std::min(lanes, rows.count - at);
        const Finished done = group(logits, classes, rows, at, count, temperature);
        const Floats score = rule == Rule::max_prob  ? done.max_prob
                             : rule == Rule::entropy ? done.entropy
                             : rule == Rule::margin  ? done.margin
                                                     : done.energy;
        const bool from_below = rule == Rule::max_prob || rule == Rule::margin;
        const Ints confident = from_below ? score >= bound : score <= bound;
        for (std::size_t i = 0; i < count; ++i) out[place(rows, at + i)] = confident[i] != 0;
    }
}
