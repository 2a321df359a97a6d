// encode, decode and peek.
#include "core/codec.hpp"

#include "bindings/arrays.hpp"
#include "bindings/buffers.hpp"
#include "bindings/functions.hpp"

namespace coinfer::bindings {
namespace {

Encoding encoding_named(const Python& python, py::handle name) {
    const int at = python.encodings.find(name);
    if (at < 0) refuse_by(python.frame, "encoding_named", name);
    return static_cast<Encoding>(at + 1);
}

bool as_flag(PyObject* value, bool otherwise) {
    if (value == nullptr) return otherwise;
    if (value == Py_True || value == Py_False) return value == Py_True;
    const int truth = PyObject_IsTrue(value);
    if (truth < 0) throw py::error_already_set();
    return truth != 0;
}

// Header of a tensor of this shape; the rest is filled in by coinfer::encode.
Header header_for(const Python& python, py::handle tensor, Encoding encoding) {
    const Array x(tensor);
    if (!fits(x.shape(), x.ndim()))
        refuse_by(python.frame, "checked_elements", tensor.attr("shape"));
    Header header = {{'C', 'I', 'K', 'F'}, 1, static_cast<std::uint8_t>(encoding), 1,
                     static_cast<std::uint8_t>(x.ndim()), 0, 0, 0, {}, 0, 0.0f, 0, {}, 0};
    for (unsigned i = 0; i < x.ndim(); ++i)
        header.dims[i] = static_cast<std::uint32_t>(x.shape()[i]);
    return header;
}

py::object encode(const Context& context, Arguments arguments) {
    const auto [kernels, python] = context;
    const Encoding encoding = encoding_named(python, arguments[1]);
    const py::object tensor = as_tensor(python, arguments[0], "x");
    const bool crc = as_flag(arguments[3], true);
    const Array x(tensor);
    const Header header = header_for(python, tensor, encoding);
    const std::size_t count = x.size();
    Room room(python, arguments[2], largest_frame(header));
    std::size_t size;
    {
        const LargeWork work(count);
        size = coinfer::encode(kernels, x.data<const float>(), header, crc, room.data());
    }
    return room.frame(size);
}

py::object decode(const Context& context, Arguments arguments) {
    const auto [kernels, python] = context;
    const Bytes frame(python, arguments[0]);
    const Header header = parse(frame.data(), frame.size());
    const std::size_t count = elements(header);
    {
        const LargeWork work(count);
        verify(kernels, header, frame.data());
    }
    py::ssize_t shape[max_dims];
    std::copy_n(header.dims, max_dims, shape);
    const py::object array = as_out(python, arguments[1], python.float32, header.ndim, shape);
    float* const values = Array(array).data<float>();
    const LargeWork work(count);
    coinfer::decode(kernels, header, frame.data(), values);
    return array;
}

}  // namespace

std::vector<Entry> codec_functions() {
    return {{"encode(x, encoding, out=None, crc=True)", encode},
            {"decode(buffer, out=None)", decode}};
}

}  // namespace coinfer::bindings
