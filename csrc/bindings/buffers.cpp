#include "bindings/buffers.hpp"

#include <cstring>

namespace coinfer::bindings {
namespace {

bool is_plain_bytes(const Py_buffer& buffer) {
    return !buffer.readonly && buffer.ndim == 1 && buffer.itemsize == 1 &&
           (buffer.strides == nullptr || buffer.strides[0] == 1) &&
           (buffer.format == nullptr || std::strcmp(buffer.format, "B") == 0);
}

// Has a plain memoryview that nobody else knows yet show some of its bytes only. The buffer of a
// memoryview is a private copy of its owner's; a slice costs more than twice as much.
void narrow(py::handle view, std::size_t start, std::size_t size) {
    Py_buffer* const buffer = PyMemoryView_GET_BUFFER(view.ptr());
    buffer->buf = static_cast<char*>(buffer->buf) + start;
    buffer->len = buffer->shape[0] = static_cast<py::ssize_t>(size);
}

// A new memoryview of some bytes of a plain one.
py::object part(py::handle view, std::size_t start, std::size_t size) {
    py::object narrowed = made(PyMemoryView_FromObject(view.ptr()));
    narrow(narrowed, start, size);
    return narrowed;
}

}  // namespace

Room::Room(const Python& python, PyObject* out, std::size_t size)
    : out_(out), is_new_(!is_given(out)) {
    const auto length = static_cast<py::ssize_t>(size);
    if (is_new_) {
        object_ = made(PyByteArray_FromStringAndSize(nullptr, length));
        data_ = reinterpret_cast<std::uint8_t*>(PyByteArray_AS_STRING(object_.ptr()));
        return;
    }
    if (PyMemoryView_Check(out)) {
        // Keeps another thread from releasing the caller's view; one made here is out of reach.
        if (!held_.acquire(out, PyBUF_FULL_RO)) throw py::error_already_set();
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

py::object Room::frame(std::size_t size) {
    if (is_new_) {
        shrink(size);
        return object_;
    }
    if (object_.is(out_)) {
        const auto whole = PyMemoryView_GET_BUFFER(out_.ptr())->len;
        return whole == static_cast<py::ssize_t>(size) ? object_ : part(object_, 0, size);
    }
    narrow(object_, 0, size);
    return object_;
}

py::list Room::frames(const std::vector<std::size_t>& ends) {
    if (is_new_) {
        shrink(ends.empty() ? 0 : ends.back());
        object_ = made(PyMemoryView_FromObject(object_.ptr()));
    }
    py::list views(ends.size());
    for (std::size_t i = 0, start = 0; i < ends.size(); start = ends[i++])
        views[i] = part(object_, start, ends[i] - start);
    return views;
}

}  // namespace coinfer::bindings
