// Tensors on their way into frames.
#pragma once

#include "bindings/arrays.hpp"
#include "core/codec.hpp"

namespace coinfer::bindings {

inline Encoding encoding_named(const Python& python, py::handle name) {
    const int at = python.encodings.find(name);
    if (at < 0) refuse_by(python.frame, "encoding_named", name);
    return static_cast<Encoding>(at + 1);
}

// A truth value as Python sees it.
inline bool as_flag(PyObject* value, bool otherwise) {
    if (value == nullptr) return otherwise;
    const int truth = PyObject_IsTrue(value);
    if (truth < 0) throw py::error_already_set();
    return truth != 0;
}

// A float32 or float16 array, and the header of its frame.
class Tensor {
public:
    Tensor(const Python& python, py::handle x, Encoding encoding, const char* name)
        : object_(as_array(python, x)), array_(object_) {
        if (!is_usable(python)) {
            object_ = python.arrays.attr("as_tensor")(object_, name);
            array_ = Array(object_);
        }
        if (!fits(array_.shape(), array_.ndim()))
            refuse_by(python.frame, "checked_elements", object_.attr("shape"));
        header_ = {{'C', 'I', 'K', 'F'}, 1, static_cast<std::uint8_t>(encoding), 1,
                   static_cast<std::uint8_t>(array_.ndim()), 0, 0, 0, {}, 0, 0.0f, 0, {}, 0};
        for (unsigned i = 0; i < array_.ndim(); ++i)
            header_.dims[i] = static_cast<std::uint32_t>(array_.shape()[i]);
    }
    std::size_t size() const { return elements(header_); }
    std::size_t room() const { return largest_frame(header_); }

    // Needs no interpreter lock.
    std::size_t write(const Kernels& kernels, bool crc, std::uint8_t* frame) const {
        if (is_half_)
            return encode(kernels, array_.data<const std::uint16_t>(), header_, crc, frame);
        return encode(kernels, array_.data<const float>(), header_, crc, frame);
    }

private:
    bool is_usable(const Python& python) {
        if (array_.ndim() > max_dims) return false;
        is_half_ = is_plain(python, object_, python.float16);
        return is_half_ || is_plain(python, object_, python.float32);
    }

    py::object object_;
    Array array_;
    bool is_half_ = false;
    Header header_;
};

}  // namespace coinfer::bindings
