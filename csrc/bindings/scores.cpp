// exit_scores, should_exit and feature_change.
#include "bindings/arrays.hpp"
#include "bindings/functions.hpp"
#include "core/confidence.hpp"

namespace coinfer::bindings {
namespace {

// Position of `name` in a tuple of names of _scores.py; `check` of that module refuses others.
std::size_t position(py::handle name, std::initializer_list<const char*> names,
                     const char* check) {
    std::size_t at = 0;
    for (const char* candidate : names) {
        if (PyUnicode_Check(name.ptr()) &&
            PyUnicode_CompareWithASCIIString(name.ptr(), candidate) == 0)
            return at;
        ++at;
    }
    Python::get().scores.attr(check)(name);  // raises
    throw py::value_error("a name that the native back end lacks");
}

py::object as_logits(py::handle logits) {
    const Python& python = Python::get();
    if (is_plain(logits, python.float32) && Array(logits).ndim() == 2 &&
        Array(logits).shape()[1] > 0)
        return py::reinterpret_borrow<py::object>(logits);
    return python.arrays.attr("as_logits")(logits);
}

// The caller's scores, or new ones of this many rows: a tuple of five arrays.
py::object as_scores(py::handle out, py::ssize_t rows) {
    const Python& python = Python::get();
    if (out.is_none()) {
        py::tuple arrays(5);
        for (int i = 0; i < 5; ++i)
            arrays[i] = empty(i < 4 ? python.float32 : python.int64, 1, &rows);
        // What ExitScores(*arrays) does, without going through its Python constructor.
        const py::tuple arguments = py::make_tuple(arrays);
        PyObject* scores =
            PyTuple_Type.tp_new(reinterpret_cast<PyTypeObject*>(python.exit_scores.ptr()),
                                arguments.ptr(), nullptr);
        if (scores == nullptr) throw py::error_already_set();
        return py::reinterpret_steal<py::object>(scores);
    }
    bool plain = py::type::handle_of(out).is(python.exit_scores);
    for (int i = 0; plain && i < 5; ++i) {
        const py::handle array = PyTuple_GET_ITEM(out.ptr(), i);
        plain = is_plain(array, i < 4 ? python.float32 : python.int64, true) &&
                Array(array).has_shape(1, &rows);
    }
    if (!plain) python.arrays.attr("checked_scores")(out, rows);
    return py::reinterpret_borrow<py::object>(out);
}

py::object exit_scores(const Kernels& kernels, py::handle logits, py::handle out) {
    const py::object matrix = as_logits(logits);
    const Array x(matrix);
    const py::object scores = as_scores(out, x.shape()[0]);
    const auto column = [&](int i) { return Array(PyTuple_GET_ITEM(scores.ptr(), i)); };
    const Scores targets = {column(0).data<float>(), column(1).data<float>(),
                            column(2).data<float>(), column(3).data<float>(),
                            column(4).data<std::int64_t>()};
    const LargeWork work(x.size());
    exit_scores(kernels, x.data<const float>(), static_cast<std::size_t>(x.shape()[0]),
                static_cast<std::size_t>(x.shape()[1]), 1.0, nullptr, targets);
    return scores;
}

py::object decide(const Kernels& kernels, py::handle logits, py::handle rule_name,
                  py::handle threshold_value, py::handle out) {
    const auto rule = static_cast<Rule>(
        position(rule_name, {"max-prob", "entropy", "margin", "energy"}, "checked_rule"));
    const double threshold =
        PyFloat_CheckExact(threshold_value.ptr())
            ? PyFloat_AS_DOUBLE(threshold_value.ptr())
            : Python::get().scores.attr("checked_threshold")(threshold_value).cast<double>();
    if (threshold != threshold)
        Python::get().scores.attr("checked_threshold")(threshold_value);  // raises
    const py::object matrix = as_logits(logits);
    const Array x(matrix);
    const py::object decisions = as_out(out, Python::get().boolean, 1, x.shape());
    bool* const target = Array(decisions).data<bool>();
    const LargeWork work(x.size());
    should_exit(kernels, x.data<const float>(), static_cast<std::size_t>(x.shape()[0]),
                static_cast<std::size_t>(x.shape()[1]), rule, threshold, 1.0, nullptr, target);
    return decisions;
}

py::object feature_change(const Kernels& kernels, py::handle previous, py::handle current,
                          py::handle kind_name) {
    const auto kind = static_cast<Change>(
        position(kind_name, {"l2", "relative-l2", "cosine"}, "checked_change"));
    const py::object before = as_tensor(previous, "previous");
    const py::object after = as_tensor(current, "current");
    const Array p(before), c(after);
    if (p.ndim() < 2 || !c.has_shape(p.ndim(), p.shape()))
        Python::get().arrays.attr("as_row_pair")(before, after);  // raises
    const py::object changes = empty(Python::get().float32, 1, p.shape());
    float* const target = Array(changes).data<float>();
    const auto rows = static_cast<std::size_t>(p.shape()[0]);
    const LargeWork work(p.size());
    feature_change(kernels, p.data<const float>(), c.data<const float>(), rows,
                   rows == 0 ? 0 : p.size() / rows, kind, nullptr, target);
    return changes;
}

}  // namespace

void add_scores(const Kernels& kernels, const py::dict& docs, py::dict& functions) {
    const Kernels* const chosen = &kernels;
    add(
        functions, docs, "exit_scores",
        [chosen](py::handle logits, py::handle out) { return exit_scores(*chosen, logits, out); },
        py::arg("logits"), py::arg("out") = py::none());
    add(
        functions, docs, "should_exit",
        [chosen](py::handle logits, py::handle rule, py::handle threshold, py::handle out) {
            return decide(*chosen, logits, rule, threshold, out);
        },
        py::arg("logits"), py::arg("rule"), py::arg("threshold"), py::arg("out") = py::none());
    add(
        functions, docs, "feature_change",
        [chosen](py::handle previous, py::handle current, py::handle kind) {
            return feature_change(*chosen, previous, current, kind);
        },
        py::arg("previous"), py::arg("current"), py::arg("kind"));
}

}  // namespace coinfer::bindings
