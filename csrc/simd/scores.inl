// Confidence of rows of logits, and decisions by it. Included once per instruction set, inside its
// namespace.
//
// With few classes one lane is one row and nothing is combined across lanes; with many, each row
// is reduced along its classes. Which of the two depends on the number of classes alone, so a row
// gets the same bits in every batch. The template argument `wanted` leaves out what a rule does
// not need; what remains is computed as for all scores, so decisions agree with them to the bit.
//
// Maxima pass over NaN, but NaN - most, +Inf - Inf and -Inf - -Inf are NaN and reach the total,
// and from there every score.

#include "simd/elementary.inl"
#include "simd/transpose.inl"

constexpr unsigned wants_second = 1, wants_weighted = 2, wants_label = 4, wants_all = 7;

constexpr unsigned wanted_by(Rule rule) {
    return rule == Rule::margin ? wants_second : rule == Rule::entropy ? wants_weighted : 0;
}

template <typename Vector>
struct Reduced {
    Vector most;
    Vector second;
    Vector total;     // sum of the exponentials
    Vector weighted;  // sum of each times its power of two
    IntegersOf<Vector> label;
};

// Not member initialisers: the constructor would not be compiled for the instruction set.
template <typename Vector>
inline Reduced<Vector> nothing_yet() {
    return {spread<Vector>(-infinity), spread<Vector>(-infinity), Vector{}, Vector{},
            IntegersOf<Vector>{}};
}

template <unsigned wanted, typename Vector>
inline void offer(Reduced<Vector>& row, Vector v) {
    if (wanted & wants_second) row.second = larger(smaller(v, row.most), row.second);
    row.most = larger(v, row.most);
}

template <unsigned wanted, typename Vector>
inline void merge(Reduced<Vector>& row, Vector most, Vector second) {
    if (wanted & wants_second)
        row.second = larger(smaller(row.most, most), larger(row.second, second));
    row.most = larger(row.most, most);
}

template <typename Vector>
struct Sums {
    Vector total;
    Vector weighted;
};

template <unsigned wanted, typename Vector>
inline void add(Sums<Vector>& sums, Vector v, Vector most, float binary) {
    const Vector power = larger(spread<Vector>(least_power), (v - most) * binary);
    const Vector e = power_of_two(power);
    sums.total += e;
    if (wanted & wants_weighted) sums.weighted = multiply_add(e, power, sums.weighted);
}

// Only lanes that are `there`.
template <unsigned wanted, typename Vector>
inline void add(Sums<Vector>& sums, Vector v, Vector most, float binary,
                IntegersOf<Vector> there) {
    const Vector power = larger(spread<Vector>(least_power), (v - most) * binary);
    const Vector e = (Vector)((IntegersOf<Vector>)power_of_two(power) & there);
    sums.total += e;
    if (wanted & wants_weighted) sums.weighted = multiply_add(e, power, sums.weighted);
}

#include "simd/scores_few.inl"
#include "simd/scores_many.inl"

// The score of a rule. `second`, `weighted` and `label` are looked at only where it wants them.
template <Rule rule, typename Vector>
inline Vector score(const Reduced<Vector>& row, const Temperature& temperature) {
    const Vector inverse = 1.0f / row.total;
    if (rule == Rule::max_prob) return inverse;
    if (rule == Rule::margin) {
        const Vector gap = (row.second - row.most) * temperature.binary;
        return one_minus_power(larger(spread<Vector>(least_power), gap)) * inverse;
    }
    const Vector log_total = logarithm(row.total);
    if (rule == Rule::entropy)
        return multiply_add(row.weighted * -temperature.natural, inverse, log_total);
    return -multiply_add(spread<Vector>(temperature.value), log_total, row.most);
}

inline std::size_t place(Rows rows, std::size_t i) {
    return rows.list == nullptr ? i : rows.list[i];
}

struct ScoresTo {
    const Temperature& temperature;
    Rows rows;
    Scores out;

    template <typename Vector>
    void put(Vector v, std::size_t at, std::size_t count, float* to) const {
        if (rows.list == nullptr && count == sizeof v / sizeof(float)) {
            std::memcpy(to + at, &v, sizeof v);
        } else {
            for (std::size_t i = 0; i < count; ++i) to[place(rows, at + i)] = v[i];
        }
    }

    template <typename Vector>
    void operator()(const Reduced<Vector>& reduced, std::size_t at, std::size_t count) const {
        put(score<Rule::max_prob>(reduced, temperature), at, count, out.max_prob);
        put(score<Rule::entropy>(reduced, temperature), at, count, out.entropy);
        put(score<Rule::margin>(reduced, temperature), at, count, out.margin);
        put(score<Rule::energy>(reduced, temperature), at, count, out.energy);
        // All bits set is -1.
        const auto label = reduced.label | (reduced.total != reduced.total);
        if (rows.list == nullptr && count == sizeof label / sizeof(std::int32_t)) {
            typedef std::int64_t Wide __attribute__((vector_size(2 * sizeof label)));
            const Wide wide = __builtin_convertvector(label, Wide);
            std::memcpy(out.label + at, &wide, sizeof wide);
        } else {
            for (std::size_t i = 0; i < count; ++i) out.label[place(rows, at + i)] = label[i];
        }
    }
};

template <Rule rule>
struct DecisionsTo {
    const Temperature& temperature;
    Rows rows;
    float bound;
    bool* out;

    template <typename Vector>
    void operator()(const Reduced<Vector>& reduced, std::size_t at, std::size_t count) const {
        constexpr bool from_below = rule == Rule::max_prob || rule == Rule::margin;
        const Vector value = score<rule>(reduced, temperature);
        const auto confident = from_below ? value >= bound : value <= bound;
        if (rows.list == nullptr && count == sizeof value / sizeof(float)) {
            typedef std::int8_t Bytes __attribute__((vector_size(sizeof value / sizeof(float))));
            const Bytes bytes = __builtin_convertvector(confident, Bytes) & 1;
            std::memcpy(out + at, &bytes, sizeof bytes);
        } else {
            for (std::size_t i = 0; i < count; ++i)
                out[place(rows, at + i)] = confident[i] != 0;
        }
    }
};

// Reduces rows in groups and hands them on to `to`.
template <unsigned wanted, typename To>
inline void reduce(const float* logits, std::size_t classes, Rows rows, const To& to) {
    const float binary = to.temperature.binary;
    for (std::size_t at = 0; at < rows.count; at += lanes) {
        const std::size_t count = std::min(lanes, rows.count - at);
        if (classes > few_classes) {
            const std::size_t together = rows_together(classes);
            for (std::size_t first = at; first < at + count; first += together) {
                const std::size_t some = std::min(together, at + count - first);
                const float* starts[4];
                const float* next[4];
                for (std::size_t i = 0; i < some; ++i) {
                    const std::size_t after = std::min(first + i + together, rows.count - 1);
                    starts[i] = logits + place(rows, first + i) * classes;
                    next[i] = logits + place(rows, after) * classes;
                }
                to(along<wanted>(starts, next, some, classes, binary), first, some);
            }
        } else if (rows.list == nullptr && count == lanes) {
            to(across<wanted>(Adjacent{logits + at * classes, classes}, classes, binary), at, lanes);
        } else if (count <= few_rows) {
            for (std::size_t i = 0; i < count; ++i)
                to(alone<wanted>(logits + place(rows, at + i) * classes, classes, binary), at + i,
                   1);
        } else {
            const float* starts[lanes];  // lanes without a row repeat the last one
            for (std::size_t i = 0; i < lanes; ++i)
                starts[i] = logits + place(rows, at + std::min(i, count - 1)) * classes;
            to(across<wanted>(Listed{starts}, classes, binary), at, count);
        }
    }
}

void scores(const float* logits, std::size_t classes, Rows rows, const Temperature& temperature,
            Scores out) {
    reduce<wants_all>(logits, classes, rows, ScoresTo{temperature, rows, out});
}

template <Rule rule>
inline void decide_by(const float* logits, std::size_t classes, Rows rows,
                      const Temperature& temperature, float bound, bool* out) {
    reduce<wanted_by(rule)>(logits, classes, rows,
                            DecisionsTo<rule>{temperature, rows, bound, out});
}

void decide(const float* logits, std::size_t classes, Rows rows, const Temperature& temperature,
            Rule rule, float bound, bool* out) {
    switch (rule) {
        case Rule::max_prob:
            return decide_by<Rule::max_prob>(logits, classes, rows, temperature, bound, out);
        case Rule::entropy:
            return decide_by<Rule::entropy>(logits, classes, rows, temperature, bound, out);
        case Rule::margin:
            return decide_by<Rule::margin>(logits, classes, rows, temperature, bound, out);
        case Rule::energy:
            return decide_by<Rule::energy>(logits, classes, rows, temperature, bound, out);
    }
}
