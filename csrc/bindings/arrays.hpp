// NumPy arrays without the cost of pybind11's array classes.
//
// The form that callers mostly bring is recognised here by a few comparisons; everything else,
// and every refusal, goes through coinfer_kernels/_arrays.py, which all back ends share.
#pragma once

#include <algorithm>
#include <cstddef>

#include "bindings/errors.hpp"

namespace coinfer::bindings {

// A view of an ndarray; whoever made it keeps the array alive.
class Array {
public:
    explicit Array(py::handle array) : array_(py::detail::array_proxy(array.ptr())) {}

    template <typename T>
    T* data() const {
        return reinterpret_cast<T*>(array_->data);
    }
    unsigned ndim() const { return static_cast<unsigned>(array_->nd); }
    const py::ssize_t* shape() const { return array_->dimensions; }
    std::size_t size() const {
        std::size_t product = 1;
        for (unsigned i = 0; i < ndim(); ++i) product *= static_cast<std::size_t>(shape()[i]);
        return product;
    }
    bool has_shape(unsigned ndim, const py::ssize_t* shape) const {
        return this->ndim() == ndim && std::equal(shape, shape + ndim, this->shape());
    }

private:
    const py::detail::PyArray_Proxy* array_;
};

// Whether this is an aligned, C-contiguous array of exactly this dtype object.
inline bool is_plain(const Python& python, py::handle object, const py::object& dtype,
                     bool writable = false) {
    constexpr int c_contiguous = 0x1, aligned = 0x100, writeable = 0x400;
    if (Py_TYPE(object.ptr()) != python.numpy.PyArray_Type_) return false;
    const auto* array = py::detail::array_proxy(object.ptr());
    const int wanted = c_contiguous | aligned | (writable ? writeable : 0);
    return array->descr == dtype.ptr() && (array->flags & wanted) == wanted;
}

inline py::object new_array(const Python& python, const py::object& dtype, unsigned ndim,
                            const py::ssize_t* shape) {
    return made(python.numpy.PyArray_NewFromDescr_(python.numpy.PyArray_Type_,
                                                   dtype.inc_ref().ptr(), static_cast<int>(ndim),
                                                   shape, nullptr, nullptr, 0, nullptr));
}

// An ndarray of what NumPy can view, torch tensors on the CPU among it.
inline py::object as_array(const Python& python, py::handle object) {
    if (Py_TYPE(object.ptr()) == python.numpy.PyArray_Type_)
        return py::reinterpret_borrow<py::object>(object);
    return python.asarray(object);
}

// `x` as a float32 array of up to four dimensions.
inline py::object as_tensor(const Python& python, py::handle x, const char* name) {
    py::object array = as_array(python, x);
    if (is_plain(python, array, python.float32) && Array(array).ndim() <= 4) return array;
    return python.arrays.attr("as_tensor")(array, name);
}

// An array that a kernel can fill in place.
inline py::object checked_out(const Python& python, py::handle out, const py::object& dtype,
                              unsigned ndim, const py::ssize_t* shape, const char* name = "out") {
    if (!is_plain(python, out, dtype, true) || !Array(out).has_shape(ndim, shape)) {
        py::tuple wanted(ndim);
        for (unsigned i = 0; i < ndim; ++i) wanted[i] = shape[i];
        python.arrays.attr("checked_out")(out, wanted, dtype, name);
    }
    return py::reinterpret_borrow<py::object>(out);
}

// `out`, or a new array of this dtype and shape.
inline py::object as_out(const Python& python, PyObject* out, const py::object& dtype,
                         unsigned ndim, const py::ssize_t* shape) {
    if (is_given(out)) return checked_out(python, out, dtype, ndim, shape);
    return new_array(python, dtype, ndim, shape);
}

}  // namespace coinfer::bindings
