// NumPy arrays without the cost of pybind11's array classes.
//
// The form that callers mostly bring is recognised here by a few comparisons; everything else,
// and every refusal, goes through coinfer_kernels/_arrays.py, which all back ends share.
#pragma once

#include <pybind11/numpy.h>

#include <cstddef>
#include <initializer_list>

namespace coinfer::bindings {

namespace py = pybind11;

// The Python objects that the bindings need again and again; made once and never freed, because
// they may be used until the interpreter ends.
struct Python {
    py::object float32 = py::dtype::of<float>();
    py::object int64 = py::dtype::of<std::int64_t>();
    py::object boolean = py::dtype::of<bool>();
    py::module_ arrays = py::module_::import("coinfer_kernels._arrays");
    py::module_ frame = py::module_::import("coinfer_kernels._frame");
    py::module_ scores = py::module_::import("coinfer_kernels._scores");
    py::object exit_scores = scores.attr("ExitScores");
    py::object frame_error = py::module_::import("coinfer_kernels.errors").attr("FrameError");

    static const Python& get() {
        static const Python* python = new Python;
        return *python;
    }
};

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
inline bool is_plain(py::handle object, const py::object& dtype, bool writable = false) {
    constexpr int c_contiguous = 0x1, aligned = 0x100, writeable = 0x400;
    const auto& api = py::detail::npy_api::get();
    if (Py_TYPE(object.ptr()) != api.PyArray_Type_) return false;
    const auto* array = py::detail::array_proxy(object.ptr());
    const int wanted = c_contiguous | aligned | (writable ? writeable : 0);
    return array->descr == dtype.ptr() && (array->flags & wanted) == wanted;
}

inline py::object empty(const py::object& dtype, unsigned ndim, const py::ssize_t* shape) {
    const auto& api = py::detail::npy_api::get();
    PyObject* array = api.PyArray_NewFromDescr_(api.PyArray_Type_, dtype.inc_ref().ptr(),
                                                static_cast<int>(ndim), shape, nullptr, nullptr, 0,
                                                nullptr);
    if (array == nullptr) throw py::error_already_set();
    return py::reinterpret_steal<py::object>(array);
}

// `x` as a float32 array, by the shared Python rules unless it is one already.
inline py::object as_tensor(py::handle x, const char* name) {
    const Python& python = Python::get();
    if (is_plain(x, python.float32) && Array(x).ndim() <= 4)
        return py::reinterpret_borrow<py::object>(x);
    return python.arrays.attr("as_tensor")(x, name);
}

// `out`, or a new array of this dtype and shape.
inline py::object as_out(py::handle out, const py::object& dtype, unsigned ndim,
                         const py::ssize_t* shape) {
    if (out.is_none()) return empty(dtype, ndim, shape);
    if (!is_plain(out, dtype, true) || !Array(out).has_shape(ndim, shape)) {
        py::tuple wanted(ndim);
        for (unsigned i = 0; i < ndim; ++i) wanted[i] = shape[i];
        Python::get().arrays.attr("checked_out")(out, wanted, dtype);
    }
    return py::reinterpret_borrow<py::object>(out);
}

}  // namespace coinfer::bindings
