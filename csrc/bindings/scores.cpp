// exit_scores and should_exit.
#include <cmath>

#include "bindings/functions.hpp"
#include "bindings/rows.hpp"
#include "core/confidence.hpp"

namespace coinfer::bindings {
namespace {

// A float32 matrix with one class at least.
class Logits {
public:
    Logits(const Python& python, py::handle logits)
        : object_(as_array(python, logits)), array_(object_) {
        if (is_plain(python, object_, python.float32) && array_.ndim() == 2 && shape()[1] > 0)
            return;
        object_ = python.arrays.attr("as_logits")(object_);
        array_ = Array(object_);
    }

    const float* data() const { return array_.data<const float>(); }
    const py::ssize_t* shape() const { return array_.shape(); }
    std::size_t rows() const { return static_cast<std::size_t>(shape()[0]); }
    std::size_t classes() const { return static_cast<std::size_t>(shape()[1]); }
    std::size_t size() const { return rows() * classes(); }

private:
    py::object object_;
    Array array_;
};

double as_temperature(const Python& python, PyObject* value) {
    constexpr const char* check = "checked_temperature";
    if (value == nullptr) return 1.0;
    const double temperature = as_double(python, value, check);
    if (!(temperature > 0.0 && std::isfinite(temperature)))
        refuse_by(python.scores, check, py::handle(value));
    return temperature;
}

double as_threshold(const Python& python, py::handle value) {
    constexpr const char* check = "checked_threshold";
    const double threshold = as_double(python, value, check);
    if (std::isnan(threshold)) refuse_by(python.scores, check, value);
    return threshold;
}

const py::object& score_dtype(const Python& python, int i) {
    return i < 4 ? python.float32 : python.int64;
}

py::object new_scores(const Python& python, py::ssize_t rows) {
    const auto column = [&](int i) { return new_array(python, score_dtype(python, i), 1, &rows); };
    return named_tuple(python.exit_scores, {column(0), column(1), column(2), column(3), column(4)});
}

py::object checked_scores(const Python& python, PyObject* out, py::ssize_t rows) {
    bool plain = py::type::handle_of(out).is(python.exit_scores);
    for (int i = 0; plain && i < 5; ++i) {
        const py::handle array = PyTuple_GET_ITEM(out, i);
        plain = is_plain(python, array, score_dtype(python, i), true) &&
                Array(array).has_shape(1, &rows);
    }
    if (!plain) python.arrays.attr("checked_scores")(py::handle(out), rows);
    return py::reinterpret_borrow<py::object>(out);
}

// The memory of five arrays in an ExitScores.
Scores pointers(py::handle scores) {
    const auto column = [&](int i) { return Array(PyTuple_GET_ITEM(scores.ptr(), i)); };
    return {column(0).data<float>(), column(1).data<float>(), column(2).data<float>(),
            column(3).data<float>(), column(4).data<std::int64_t>()};
}

py::object exit_scores(const Context& context, Arguments arguments) {
    const auto [kernels, python] = context;
    PyObject* const out = arguments[1];
    const Logits logits(python, arguments[0]);
    const double temperature = as_temperature(python, arguments[2]);
    const Mask mask(python, arguments[3], logits.shape()[0]);
    const py::object scores = is_given(out) ? checked_scores(python, out, logits.shape()[0])
                                            : new_scores(python, logits.shape()[0]);
    const Scores targets = pointers(scores);
    const LargeWork work(logits.size());
    if (mask.data() != nullptr && !is_given(out)) blank_gone(mask.data(), logits.rows(), targets);
    coinfer::exit_scores(kernels, logits.data(), logits.rows(), logits.classes(), temperature,
                         mask.data(), targets);
    return scores;
}

py::object should_exit(const Context& context, Arguments arguments) {
    const auto [kernels, python] = context;
    const auto rule =
        static_cast<Rule>(position(python, python.rules, arguments[1], "checked_rule"));
    const double threshold = as_threshold(python, arguments[2]);
    const Logits logits(python, arguments[0]);
    const double temperature = as_temperature(python, arguments[4]);
    Mask mask(python, arguments[5], logits.shape()[0]);
    const py::object decisions = as_out(python, arguments[3], python.boolean, 1, logits.shape());
    bool* const target = Array(decisions).data<bool>();
    mask.keep_from(target, logits.rows());
    const LargeWork work(logits.size());
    coinfer::should_exit(kernels, logits.data(), logits.rows(), logits.classes(), rule, threshold,
                         temperature, mask.data(), target);
    return decisions;
}

}  // namespace

std::vector<Entry> scores_functions() {
    return {{"exit_scores(logits, out=None, temperature=1.0, mask=None)", exit_scores},
            {"should_exit(logits, rule, threshold, out=None, temperature=1.0, mask=None)",
             should_exit}};
}

}  // namespace coinfer::bindings
