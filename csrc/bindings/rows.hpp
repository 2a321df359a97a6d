// What the functions over rows of a batch have in common: masks, numbers and names.
#pragma once

#include <cstdint>
#include <functional>

#include "bindings/arrays.hpp"

namespace coinfer::bindings {

// The rows that are still there: one byte a row, or null for all of them.
class Mask {
public:
    Mask(const Python& python, PyObject* mask, py::ssize_t rows) {
        if (!is_given(mask)) return;
        array_ = is_plain(python, mask, python.boolean) && Array(mask).has_shape(1, &rows)
                     ? py::reinterpret_borrow<py::object>(mask)
                     : python.arrays.attr("as_mask")(py::handle(mask), rows);
        data_ = Array(array_).data<const std::uint8_t>();
    }
    const std::uint8_t* data() const { return data_; }

    // Makes a copy when writing to `out`, one byte a row, would change the mask.
    void keep_from(const bool* out, std::size_t rows) {
        const auto* const target = reinterpret_cast<const std::uint8_t*>(out);
        const std::less<const std::uint8_t*> before;
        if (data_ == nullptr || !before(data_, target + rows) || !before(target, data_ + rows))
            return;
        copy_.assign(data_, data_ + rows);
        data_ = copy_.data();
    }

private:
    py::object array_;
    std::vector<std::uint8_t> copy_;
    const std::uint8_t* data_ = nullptr;
};

// A float; whatever is none of Python's goes through the `check` of _scores.py.
inline double as_double(const Python& python, py::handle value, const char* check) {
    if (PyFloat_Check(value.ptr())) return PyFloat_AS_DOUBLE(value.ptr());
    return python.scores.attr(check)(value).cast<double>();
}

// Position of `name` among `names`; the `check` of _scores.py refuses others.
inline int position(const Python& python, const Names& names, py::handle name,
                    const char* check) {
    const int at = names.find(name);
    if (at < 0) refuse_by(python.scores, check, name);
    return at;
}

}  // namespace coinfer::bindings
