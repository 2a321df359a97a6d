// encode and decode.
#include "core/codec.hpp"

#include "bindings/arrays.hpp"
#include "bindings/functions.hpp"

namespace coinfer::bindings {
namespace {

Encoding encoding_named(py::handle name) {
    if (PyUnicode_Check(name.ptr())) {
        if (PyUnicode_CompareWithASCIIString(name.ptr(), "int8") == 0) return Encoding::int8;
        if (PyUnicode_CompareWithASCIIString(name.ptr(), "fp16") == 0) return Encoding::fp16;
        if (PyUnicode_CompareWithASCIIString(name.ptr(), "raw") == 0) return Encoding::raw;
    }
    Python::get().frame.attr("encoding_named")(name);  // raises
    throw py::value_error("an encoding that the native back end lacks");
}

// Header of a tensor of this shape; the rest is filled in by coinfer::encode.
Header header_for(const Array& x, Encoding encoding, py::handle shape_of) {
    if (!fits(x.shape(), x.ndim()))
        Python::get().frame.attr("checked_elements")(shape_of.attr("shape"));  // raises
    Header header = {{'C', 'I', 'K', 'F'}, 1, static_cast<std::uint8_t>(encoding), 1,
                     static_cast<std::uint8_t>(x.ndim()), 0, 0, 0, {}, 0, 0.0f, 0, {}, 0};
    for (unsigned i = 0; i < x.ndim(); ++i)
        header.dims[i] = static_cast<std::uint32_t>(x.shape()[i]);
    return header;
}

// The first `size` bytes of the caller's buffer, as a memoryview.
py::object writable(py::handle out, std::size_t size) {
    auto view = py::reinterpret_steal<py::object>(PyMemoryView_FromObject(out.ptr()));
    if (!view) throw py::error_already_set();
    const Py_buffer* buffer = PyMemoryView_GET_BUFFER(view.ptr());
    const bool plain = !buffer->readonly && buffer->ndim == 1 && buffer->itemsize == 1 &&
                       (buffer->strides == nullptr || buffer->strides[0] == 1) &&
                       (buffer->format == nullptr || buffer->format[0] == 'B');
    if (plain && buffer->len == static_cast<py::ssize_t>(size)) return view;
    if (plain && buffer->len > static_cast<py::ssize_t>(size))
        return py::reinterpret_steal<py::object>(
            PySequence_GetSlice(view.ptr(), 0, static_cast<py::ssize_t>(size)));
    return Python::get().arrays.attr("checked_buffer")(out, size);
}

py::object encode_object(const Kernels& kernels, py::handle x, py::handle encoding_name,
                         py::handle out, bool crc) {
    const Encoding encoding = encoding_named(encoding_name);
    const py::object tensor = as_tensor(x, "x");
    const Array array(tensor);
    const Header header = header_for(array, encoding, tensor);
    const std::size_t count = array.size();
    const std::size_t size = header_bytes + count * element_bytes(encoding);

    py::object frame;
    void* bytes;
    if (out.is_none()) {
        frame = py::reinterpret_steal<py::object>(
            PyByteArray_FromStringAndSize(nullptr, static_cast<py::ssize_t>(size)));
        if (!frame) throw py::error_already_set();
        bytes = PyByteArray_AS_STRING(frame.ptr());
    } else {
        frame = writable(out, size);
        bytes = PyMemoryView_GET_BUFFER(frame.ptr())->buf;
    }
    try {
        const LargeWork work(count);
        encode(kernels, array.data<const float>(), header, crc, static_cast<std::uint8_t*>(bytes));
    } catch (const Unquantisable& span) {
        Python::get().frame.attr("affine_int8")(span.low, span.high);  // raises
    }
    return frame;
}

// Any contiguous buffer, released at the end of the call.
class Bytes {
public:
    explicit Bytes(py::handle object) {
        if (PyObject_GetBuffer(object.ptr(), &buffer_, PyBUF_SIMPLE) == 0) return;
        PyErr_Clear();
        Python::get().frame.attr("as_bytes")(object);  // raises
        throw py::value_error("the frame must lie in one contiguous buffer");
    }
    ~Bytes() { PyBuffer_Release(&buffer_); }
    Bytes(const Bytes&) = delete;
    Bytes& operator=(const Bytes&) = delete;

    const std::uint8_t* data() const { return static_cast<const std::uint8_t*>(buffer_.buf); }
    std::size_t size() const { return static_cast<std::size_t>(buffer_.len); }

private:
    Py_buffer buffer_;
};

py::object decode_object(const Kernels& kernels, py::handle buffer, py::handle out) {
    const Bytes frame(buffer);
    try {
        const Header header = parse(frame.data(), frame.size());
        const std::size_t count = elements(header);
        {
            const LargeWork work(count);
            verify(kernels, header, frame.data());
        }
        py::ssize_t shape[max_dims];
        std::copy_n(header.dims, max_dims, shape);
        const py::object array = as_out(out, Python::get().float32, header.ndim, shape);
        float* const values = Array(array).data<float>();
        const LargeWork work(count);
        decode(kernels, header, frame.data(), values);
        return array;
    } catch (const Fault& fault) {
        const py::object& type = Python::get().frame_error;
        PyErr_SetObject(type.ptr(), type(fault.field, fault.what()).ptr());
        throw py::error_already_set();
    }
}

}  // namespace

void add_codec(const Kernels& kernels, const py::dict& docs, py::dict& functions) {
    const Kernels* const chosen = &kernels;
    add(
        functions, docs, "encode",
        [chosen](py::handle x, py::handle encoding, py::handle out, bool crc) {
            return encode_object(*chosen, x, encoding, out, crc);
        },
        py::arg("x"), py::arg("encoding"), py::arg("out") = py::none(), py::kw_only(),
        py::arg("crc") = true);
    add(
        functions, docs, "decode",
        [chosen](py::handle buffer, py::handle out) {
            return decode_object(*chosen, buffer, out);
        },
        py::arg("buffer"), py::arg("out") = py::none());
}

}  // namespace coinfer::bindings
