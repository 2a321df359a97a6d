// feature_change and count_agreement: what has happened to rows since the exit before.
#include <limits>

#include "bindings/functions.hpp"
#include "bindings/rows.hpp"
#include "core/confidence.hpp"

namespace coinfer::bindings {
namespace {

py::object feature_change(const Context& context, Arguments arguments) {
    const auto [kernels, python] = context;
    PyObject* const out = arguments[3];
    const auto kind =
        static_cast<Change>(position(python, python.changes, arguments[2], "checked_change"));
    const py::object before = as_tensor(python, arguments[0], "previous");
    const py::object after = as_tensor(python, arguments[1], "current");
    const Array p(before), c(after);
    if (p.ndim() < 2 || !c.has_shape(p.ndim(), p.shape()))
        refuse_by(python.arrays, "as_row_pair", before, after);
    const Mask mask(python, arguments[4], p.shape()[0]);
    const py::object changes = as_out(python, out, python.float32, 1, p.shape());
    float* const target = Array(changes).data<float>();
    const auto rows = static_cast<std::size_t>(p.shape()[0]);
    const LargeWork work(p.size());
    if (mask.data() != nullptr && !is_given(out)) blank_gone(mask.data(), rows, target);
    coinfer::feature_change(kernels, p.data<const float>(), c.data<const float>(), rows,
                            rows == 0 ? 0 : p.size() / rows, kind, mask.data(), target);
    return changes;
}

bool is_plain_labels(const Python& python, py::handle labels) {
    return is_plain(python, labels, python.int64) && Array(labels).ndim() == 1;
}

// Labels that two exits gave the same rows.
std::pair<py::object, py::object> as_label_pair(const Python& python, py::handle previous,
                                                py::handle current) {
    if (is_plain_labels(python, previous) && is_plain_labels(python, current) &&
        Array(previous).shape()[0] == Array(current).shape()[0])
        return {py::reinterpret_borrow<py::object>(previous),
                py::reinterpret_borrow<py::object>(current)};
    const py::tuple pair = python.arrays.attr("as_label_pair")(previous, current);
    return {pair[0], pair[1]};
}

std::int64_t as_patience(const Python& python, py::handle value) {
    constexpr const char* check = "checked_patience";
    const py::object number = PyLong_CheckExact(value.ptr())
                                  ? py::reinterpret_borrow<py::object>(value)
                                  : python.scores.attr(check)(value);
    int overflow;
    const std::int64_t patience = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
    if (overflow > 0) return std::numeric_limits<std::int64_t>::max();
    if (overflow < 0 || patience < 1) refuse_by(python.scores, check, value);
    return patience;
}

py::object count_agreement(const Context& context, Arguments arguments) {
    const auto& python = context.python;
    const auto [before, after] = as_label_pair(python, arguments[0], arguments[1]);
    const Array previous(before), current(after);
    const std::int64_t patience = as_patience(python, arguments[3]);
    const py::object counts =
        checked_out(python, arguments[2], python.int32, 1, previous.shape(), "counts");
    Mask mask(python, arguments[5], previous.shape()[0]);
    const py::object decisions = as_out(python, arguments[4], python.boolean, 1, previous.shape());
    std::int32_t* const counters = Array(counts).data<std::int32_t>();
    bool* const target = Array(decisions).data<bool>();
    mask.keep_from(target, previous.size());
    const LargeWork work(previous.size());
    coinfer::count_agreement(previous.data<const std::int64_t>(),
                             current.data<const std::int64_t>(), counters, previous.size(),
                             patience, mask.data(), target);
    return decisions;
}

}  // namespace

std::vector<Entry> change_functions() {
    return {
        {"feature_change(previous, current, kind, out=None, mask=None)", feature_change},
        {"count_agreement(previous, current, counts, patience, out=None, mask=None)",
         count_agreement}};
}

}  // namespace coinfer::bindings
