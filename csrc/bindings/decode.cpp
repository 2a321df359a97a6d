// decode, verify, peek and crc32c.
#include <cstring>

#include "bindings/arrays.hpp"
#include "bindings/buffers.hpp"
#include "bindings/functions.hpp"
#include "core/codec.hpp"

namespace coinfer::bindings {
namespace {

// Header of a frame that has passed every check.
Header checked(const Context& context, const Bytes& frame) {
    const Header header = parse(frame.data(), frame.size());
    const LargeWork work(elements(header));
    coinfer::verify(context.kernels, header, frame.data());
    return header;
}

py::object decode(const Context& context, Arguments arguments) {
    const auto& kernels = context.kernels;
    const auto& python = context.python;
    const Bytes frame(python, arguments[0]);
    const Header header = checked(context, frame);
    const std::size_t count = elements(header);
    py::ssize_t shape[max_dims];
    std::copy_n(header.dims, max_dims, shape);
    const py::object array = as_out(python, arguments[1], python.float32, header.ndim, shape);
    float* const values = Array(array).data<float>();
    const LargeWork work(count);
    coinfer::decode(kernels, header, frame.data(), values);
    return array;
}

// Checks a header, but not that the frame is as long as it says.
Header parse_header(const Bytes& frame) {
    std::size_t length = frame.size();
    if (length >= header_bytes) {
        Header header;
        std::memcpy(&header, frame.data(), sizeof header);
        length = header_bytes + header.payload_bytes;
    }
    return parse(frame.data(), length);
}

py::object info_of(const Python& python, const Header& header) {
    py::tuple shape(header.ndim);
    for (unsigned i = 0; i < header.ndim; ++i) shape[i] = header.dims[i];
    return named_tuple(
        python.frame_info,
        {py::int_(header.version), python.encodings[header.encoding - 1u], python.float32_name,
         shape, py::int_(header.payload_bytes), py::float_(header.scale),
         py::int_(header.zero_point), py::bool_((header.flags & flag_crc) != 0),
         py::int_(header.table_bytes), py::int_(header.parameter)});
}

py::object peek(const Context& context, Arguments arguments) {
    return info_of(context.python, parse_header(Bytes(context.python, arguments[0])));
}

py::object verify(const Context& context, Arguments arguments) {
    return info_of(context.python, checked(context, Bytes(context.python, arguments[0])));
}

// The checksum to continue from.
std::uint32_t as_checksum(const Python& python, PyObject* value) {
    constexpr const char* check = "checked_crc";
    if (value == nullptr) return 0;
    const py::object number = PyLong_CheckExact(value)
                                  ? py::reinterpret_borrow<py::object>(value)
                                  : python.scores.attr(check)(py::handle(value));
    int overflow;
    const std::int64_t crc = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
    if (overflow != 0 || crc < 0 || crc > 0xFFFFFFFF)
        refuse_by(python.scores, check, py::handle(value));
    return static_cast<std::uint32_t>(crc);
}

py::object crc32c(const Context& context, Arguments arguments) {
    const auto& python = context.python;
    std::uint32_t crc = as_checksum(python, arguments[1]);
    const Bytes data(python, arguments[0]);
    {
        const LargeWork work(data.size() / sizeof(float));
        crc = context.kernels.crc32c(data.data(), data.size(), crc);
    }
    return py::int_(crc);
}

}  // namespace

std::vector<Entry> decode_functions() {
    return {{"decode(buffer, out=None)", decode},
            {"verify(buffer)", verify},
            {"peek(buffer)", peek},
            {"crc32c(data, crc=0)", crc32c}};
}

}  // namespace coinfer::bindings
