#include "bindings/buffers.hpp"

#include <cstring>

namespace coinfer::bindings {
namespace {

bool is_plain_bytes(const Py_buffer& buffer) {
    return !buffer.readonly && buffer.ndim == 1 && buffer.itemsize == 1 &&
           (buffer.strides == nullptr || buffer.strides[0] == 1) &&
           (buffer.format == nullptr || std::strcmp(buffer.format, "B") == 0);
}

}  // namespace

Room::Room(const Python& python, PyObject* out, std::size_t size) : is_new_(!is_given(out)) {
    const auto length = static_cast<py::ssize_t>(size);
    held_.obj = nullptr;
    if (is_new_) {
        object_ = made(PyByteArray_FromStringAndSize(nullptr, length));
        data_ = reinterpret_cast<std::uint8_t*>(PyByteArray_AS_STRING(object_.ptr()));
        return;
    }
    if (PyMemoryView_Check(out)) {
        // Keeps another thread from releasing the caller's view; one made here is out of reach.
        if (PyObject_GetBuffer(out, &held_, PyBUF_FULL_RO) != 0) {
            held_.obj = nullptr;
            throw py::error_already_set();
        }
        object_ = py::reinterpret_borrow<py::object>(out);
    } else {
        object_ = made(PyMemoryView_FromObject(out));
    }
    const Py_buffer* view = PyMemoryView_GET_BUFFER(object_.ptr());
    if (!is_plain_bytes(*view) || view->len < length) {
        object_ = python.arrays.attr("checked_buffer")(py::handle(out), size);
        view = PyMemoryView_GET_BUFFER(object_.ptr());
    }
    data_ = static_cast<std::uint8_t*>(view->buf);
}

void Room::shrink(std::size_t size) {
    const auto length = static_cast<py::ssize_t>(size);
    if (PyByteArray_GET_SIZE(object_.ptr()) != length &&
        PyByteArray_Resize(object_.ptr(), length) != 0)
        throw py::error_already_set();
}

py::object Room::view(std::size_t start, std::size_t size) const {
    const auto first = static_cast<py::ssize_t>(start), length = static_cast<py::ssize_t>(size);
    if (first == 0 && PyMemoryView_GET_BUFFER(object_.ptr())->len == length) return object_;
    return made(PySequence_GetSlice(object_.ptr(), first, first + length));
}

py::object Room::frame(std::size_t size) {
    if (!is_new_) return view(0, size);
    shrink(size);
    return object_;
}

}  // namespace coinfer::bindings
