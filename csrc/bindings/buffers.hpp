// Buffers of bytes: frames that are read, and the callers' memory that frames are written to.
#pragma once

#include "bindings/errors.hpp"

namespace coinfer::bindings {

// Any contiguous buffer. Its owner can neither free nor move the bytes before this ends.
class Bytes {
public:
    Bytes() { buffer_.obj = nullptr; }
    ~Bytes() { PyBuffer_Release(&buffer_); }
    Bytes(const Bytes&) = delete;
    Bytes& operator=(const Bytes&) = delete;

    Bytes(const Python& python, py::handle object) { acquire(python, object); }

    void acquire(const Python& python, py::handle object) {
        if (PyObject_GetBuffer(object.ptr(), &buffer_, PyBUF_SIMPLE) == 0) return;
        buffer_.obj = nullptr;
        PyErr_Clear();
        refuse_by(python.frame, "as_bytes", object);
    }
    const std::uint8_t* data() const { return static_cast<const std::uint8_t*>(buffer_.buf); }
    std::size_t size() const { return static_cast<std::size_t>(buffer_.len); }

private:
    Py_buffer buffer_;
};

// Memory for frames: a new bytearray, or the caller's `out`.
class Room {
public:
    Room(const Python& python, PyObject* out, std::size_t size);
    ~Room() { PyBuffer_Release(&held_); }
    Room(const Room&) = delete;
    Room& operator=(const Room&) = delete;

    std::uint8_t* data() const { return data_; }

    // All of a new bytearray, which shrinks to this size, or a memoryview of so much of `out`.
    py::object frame(std::size_t size);

private:
    void shrink(std::size_t size);
    py::object view(std::size_t start, std::size_t size) const;

    std::uint8_t* data_;
    py::object object_;
    bool is_new_;
    Py_buffer held_;
};

}  // namespace coinfer::bindings
