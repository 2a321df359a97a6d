#include <cmath>
#include <cstring>
#include <limits>

#include "checks.hpp"
#include "core/confidence.hpp"
#include "inputs.hpp"
#include "parts.hpp"

namespace native {
namespace {

constexpr float kept = -7.5f;  // in the entries of rows that are gone

struct Columns {
    Block<float> max_prob, entropy, margin, energy;
    Block<std::int64_t> label;

    explicit Columns(std::size_t rows)
        : max_prob(rows), entropy(rows), margin(rows), energy(rows), label(rows) {
        for (std::size_t i = 0; i < rows; ++i) {
            max_prob[i] = entropy[i] = margin[i] = energy[i] = kept;
            label[i] = -9;
        }
    }
    coinfer::Scores pointers() {
        return {max_prob.data(), entropy.data(), margin.data(), energy.data(), label.data()};
    }
    float* of(coinfer::Rule rule) {
        float* const columns[] = {max_prob.data(), entropy.data(), margin.data(), energy.data()};
        return columns[static_cast<int>(rule)];
    }
    bool intact() const {
        return max_prob.intact() && entropy.intact() && margin.intact() && energy.intact() &&
               label.intact();
    }
};

bool close(float actual, double expected, double relative, double absolute) {
    if (std::isnan(expected)) return std::isnan(actual);
    if (std::isinf(expected)) return actual == expected;
    return std::fabs(actual - expected) <= absolute + relative * std::fabs(expected);
}

// Logits of all spreads; every seventh row has something in it that is no logit.
truth::Floats logits_of(std::size_t rows, std::size_t classes, std::uint64_t seed) {
    constexpr float bad[] = {std::numeric_limits<float>::quiet_NaN(),
                             std::numeric_limits<float>::infinity(),
                             -std::numeric_limits<float>::infinity()};
    Random random(seed);
    truth::Floats logits;
    for (std::size_t row = 0; row < rows; ++row) {
        const float spread = std::pow(10.0f, random.uniform(-2, 3));
        for (std::size_t k = 0; k < classes; ++k) logits.push_back(spread * random.normal());
        if (row % 7 == 3) logits[row * classes + random.below(classes)] = bad[random.below(3)];
        if (row % 7 == 5)  // equals: the first one is the label
            for (std::size_t k = classes / 2; k < classes; ++k) logits[row * classes + k] = 1e4f;
        if (row % 21 == 20)
            for (std::size_t k = 0; k < classes; ++k) logits[row * classes + k] = bad[2];
    }
    return logits;
}

void check_scores(const coinfer::Kernels& kernels, std::size_t rows, std::size_t classes,
                  double temperature, bool masked) {
    const truth::Floats logits = logits_of(rows, classes, rows * 1000 + classes);
    Block<float> input(logits.size(), 4 * (rows % 5));
    if (!logits.empty()) std::memcpy(input.data(), logits.data(), logits.size() * sizeof(float));
    Block<std::uint8_t> mask(rows);
    Random random(rows);
    for (std::size_t row = 0; row < rows; ++row) mask[row] = random.below(3) > 0;
    const std::uint8_t* const there = masked ? mask.data() : nullptr;

    Columns out(rows);
    coinfer::exit_scores(kernels, input.data(), rows, classes, temperature, there, out.pointers());
    for (std::size_t row = 0; row < rows; ++row) {
        truth::Confidence truth =
            truth::confidence(logits.data() + row * classes, classes, temperature);
        if (masked && !mask[row]) truth = {kept, kept, kept, kept, -9};
        expect(close(out.max_prob[row], truth.max_prob, 2e-6, 0) &&
                   close(out.entropy[row], truth.entropy, 0, 2e-6) &&
                   close(out.margin[row], truth.margin, 1e-5, 1e-37) &&
                   close(out.energy[row], truth.energy, 3e-7, 1e-6 * std::fmax(1, temperature)) &&
                   out.label[row] == truth.label,
               "%s scores of row %zu of %zu x %zu, T %g: %g %g %g %g %ld, not %g %g %g %g %ld",
               kernels.name, row, rows, classes, temperature, out.max_prob[row], out.entropy[row],
               out.margin[row], out.energy[row], static_cast<long>(out.label[row]), truth.max_prob,
               truth.entropy, truth.margin, truth.energy, static_cast<long>(truth.label));
    }
    expect(out.intact(), "%s scores wrote beside %zu rows", kernels.name, rows);

    using coinfer::Rule;
    for (const Rule rule : {Rule::max_prob, Rule::entropy, Rule::margin, Rule::energy}) {
        if (rows == 0) continue;
        // The score of some row itself, so that equality decides.
        const double threshold = out.of(rule)[random.below(rows)];
        Block<bool> exits(rows);
        coinfer::should_exit(kernels, input.data(), rows, classes, rule, threshold, temperature,
                             there, exits.data());
        for (std::size_t row = 0; row < rows; ++row) {
            const double score = out.of(rule)[row];
            const bool above = rule == Rule::max_prob || rule == Rule::margin;
            const bool expected = (!masked || mask[row]) &&
                                  (above ? score >= threshold : score <= threshold);
            expect(exits[row] == expected, "%s rule %d, row %zu of %zu x %zu: score %g against %g",
                   kernels.name, static_cast<int>(rule), row, rows, classes, score, threshold);
        }
        expect(exits.intact(), "%s decisions beside %zu rows", kernels.name, rows);
    }
}

void check_changes(const coinfer::Kernels& kernels, std::size_t rows, std::size_t width) {
    const truth::Floats before = logits_of(rows, width, 8);
    truth::Floats after = logits_of(rows, width, 9);
    Random random(10);
    for (std::size_t i = 0; i < after.size(); ++i)
        if (i / width % 2) after[i] = before[i] * random.uniform(0.99f, 1.01f);
    for (std::size_t row = 0; row < rows; ++row)
        if (row % 5 == 4)
            for (std::size_t i = 0; i < width; ++i) after[row * width + i] = 0;
    Block<float> previous(before.size()), current(after.size(), 4), out(rows);
    Block<std::uint8_t> mask(rows);
    for (std::size_t row = 0; row < rows; ++row) mask[row] = random.below(3) > 0;
    if (!before.empty()) {
        std::memcpy(previous.data(), before.data(), before.size() * sizeof(float));
        std::memcpy(current.data(), after.data(), after.size() * sizeof(float));
    }
    for (const int kind : {0, 1, 2})
        for (const bool masked : {false, true}) {
            for (std::size_t row = 0; row < rows; ++row) out[row] = kept;
            coinfer::feature_change(kernels, previous.data(), current.data(), rows, width,
                                    static_cast<coinfer::Change>(kind),
                                    masked ? mask.data() : nullptr, out.data());
            for (std::size_t row = 0; row < rows; ++row) {
                const double expected =
                    masked && !mask[row]
                        ? kept
                        : truth::change(before.data() + row * width, after.data() + row * width,
                                        width, static_cast<truth::Change>(kind));
                expect(close(out[row], expected, 1e-6, 1e-7),
                       "%s change %d, width %zu: %g, not %g", kernels.name, kind, width, out[row],
                       expected);
            }
            expect(out.intact(), "%s change wrote beside %zu rows", kernels.name, rows);
        }
}

// By hand: agreement counts up without overflow, -1 agrees with nothing, gone rows stay.
void check_agreement() {
    constexpr std::int32_t most = std::numeric_limits<std::int32_t>::max();
    const std::int64_t previous[] = {3, 3, -1, 5, 0}, current[] = {3, 4, -1, 5, 0};
    const std::uint8_t mask[] = {1, 1, 1, 1, 0};
    std::int32_t counts[] = {1, 7, 7, most, 6};
    const std::int32_t expected[] = {2, 0, 0, most, 6};
    const bool exits[] = {true, false, false, true, false};
    bool out[5];
    coinfer::count_agreement(previous, current, counts, 5, 2, mask, out);
    for (int row = 0; row < 5; ++row)
        expect(counts[row] == expected[row] && out[row] == exits[row],
               "agreement of row %d: %d, %d", row, counts[row], out[row]);
    coinfer::count_agreement(previous, current, counts, 5, 1, nullptr, out);
    expect(counts[4] == 7 && out[4] && counts[0] == 3, "agreement without a mask");
}

}  // namespace

void check_confidence(const coinfer::Kernels& kernels) {
    for (std::size_t classes = 1; classes <= 130; ++classes)
        check_scores(kernels, 1 + classes % 9, classes, 1, classes % 2 == 0);
    for (std::size_t rows = 0; rows <= 70; ++rows)
        for (const std::size_t classes : {2, 10, 32, 33})
            for (const double temperature : {1.0, 0.25, 4.0})
                check_scores(kernels, rows, classes, temperature, rows % 2 == 0);
    check_scores(kernels, 1500, 10, 1, true);
    check_scores(kernels, 21, 1000, 2, false);
    for (std::size_t width = 1; width <= 130; ++width) check_changes(kernels, 7, width);
    check_changes(kernels, 2, 65536);
    check_agreement();
}

}  // namespace native
