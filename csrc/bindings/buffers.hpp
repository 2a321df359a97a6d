// Buffers of bytes: frames that are read, and the callers' memory that frames are written to.
#pragma once

#include <vector>

#include "bindings/errors.hpp"

namespace coinfer::bindings {

// A buffer that its owner can neither free nor move before this ends.
class Held {
public:
    Held() { buffer_.obj = nullptr; }
    ~Held() { PyBuffer_Release(&buffer_); }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;

    // False when there is no such buffer; the Python error is set then.
    bool acquire(py::handle owner, int flags) {
        if (PyObject_GetBuffer(owner.ptr(), &buffer_, flags) == 0) return true;
        buffer_.obj = nullptr;
        return false;
    }
    const Py_buffer& get() const { return buffer_; }

private:
    Py_buffer buffer_;
};

// Any contiguous buffer, to be read.
class Bytes {
public:
    Bytes() {}  // not defaulted, which would have arrays of these filled with zeros
    Bytes(const Python& python, py::handle owner) { acquire(python, owner); }

    void acquire(const Python& python, py::handle owner) {
        if (held_.acquire(owner, PyBUF_SIMPLE)) return;
        PyErr_Clear();
        refuse_by(python.frame, "as_bytes", owner);
    }
    const std::uint8_t* data() const { return static_cast<const std::uint8_t*>(held_.get().buf); }
    std::size_t size() const { return static_cast<std::size_t>(held_.get().len); }

private:
    Held held_;
};

// Memory for frames: a new bytearray, or the caller's `out`.
class Room {
public:
    Room(const Python& python, PyObject* out, std::size_t size);

    std::uint8_t* data() const { return data_; }

    // All of a new bytearray, which shrinks to this size, or a memoryview of so much of `out`.
    py::object frame(std::size_t size);
    // A memoryview of each of several frames, which end at these bytes.
    py::list frames(const std::vector<std::size_t>& ends);

private:
    void shrink(std::size_t size);

    py::handle out_;
    Held held_;
    py::object object_;
    std::uint8_t* data_;
    bool is_new_;
};

}  // namespace coinfer::bindings
