// gather.
#include <array>
#include <limits>
#include <memory>

#include "bindings/arrays.hpp"
#include "bindings/buffers.hpp"
#include "bindings/functions.hpp"
#include "core/codec.hpp"

namespace coinfer::bindings {
namespace {

// What one position of the vector is made of. Left uninitialised until it is known.
struct Portion {
    Portion() {}  // NOLINT: `= default` would zero everything when an array of these is made

    Bytes frame;
    bool is_there;
    Header header;
    std::size_t width;
};

// As many portions as frames; those of a usual number of devices lie on the stack.
class Portions {
public:
    explicit Portions(std::size_t count)
        : many_(count > few_.size() ? new Portion[count] : nullptr),
          begin_(many_ ? many_.get() : few_.data()),
          end_(begin_ + count) {}

    Portion* begin() { return begin_; }
    Portion* end() { return end_; }

private:
    std::array<Portion, 8> few_;
    std::unique_ptr<Portion[]> many_;
    Portion* begin_;
    Portion* end_;
};

// Sets the widths and returns their sum; a sum beyond all limits is refused with the output.
py::ssize_t read_widths(const Python& python, py::handle widths, std::size_t count,
                        Portions& portions) {
    const py::object items = made(PySequence_Tuple(widths.ptr()));
    constexpr py::ssize_t most = std::numeric_limits<py::ssize_t>::max();
    bool usable = PyTuple_GET_SIZE(items.ptr()) == static_cast<py::ssize_t>(count);
    py::ssize_t sum = 0;
    py::ssize_t position = 0;
    for (Portion& portion : portions) {
        if (!usable) break;
        PyObject* const item = PyTuple_GET_ITEM(items.ptr(), position++);
        const py::ssize_t width = PyNumber_AsSsize_t(item, nullptr);  // clipped, not refused
        if (width == -1 && PyErr_Occurred()) throw py::error_already_set();
        usable = width >= 0;
        portion.width = static_cast<std::size_t>(width);
        sum = width > most - sum ? most : sum + width;
    }
    if (!usable) refuse_by(python.arrays, "as_widths", items, count);
    return sum;
}

// Checks all of a frame but its shape.
void open(const Context& context, py::handle frame, Portion& portion) {
    portion.is_there = !frame.is_none();
    if (!portion.is_there) return;
    portion.frame.acquire(context.python, frame);
    portion.header = parse(portion.frame.data(), portion.frame.size());
    const LargeWork work(elements(portion.header));
    verify(context.kernels, portion.header, portion.frame.data());
}

// `rows` is -1 as long as it is unknown; returns what it is after this frame.
py::ssize_t checked_rows(const Python& python, const Portion& portion, std::size_t position,
                         py::ssize_t rows) {
    const Header& header = portion.header;
    std::size_t width = 1;
    for (unsigned i = 1; i < header.ndim; ++i) width *= header.dims[i];
    if (header.ndim == 0 || width != portion.width || (rows >= 0 && header.dims[0] != rows)) {
        py::tuple shape(header.ndim);
        for (unsigned i = 0; i < header.ndim; ++i) shape[i] = header.dims[i];
        const py::object known = rows < 0 ? py::object(py::none()) : py::int_(rows);
        refuse_by(python.arrays, "checked_portion", shape, position, known, portion.width);
    }
    return header.dims[0];
}

void write(const Kernels& kernels, Portions& portions, std::size_t rows, std::size_t stride,
           float* out) {
    for (const Portion& portion : portions) {
        if (!portion.is_there)
            for (std::size_t row = 0; row < rows; ++row)
                std::fill_n(out + row * stride, portion.width, 0.0f);
        else if (portion.width == stride)
            decode(kernels, portion.header, portion.frame.data(), out);
        else
            decode_rows(kernels, portion.header, portion.frame.data(), out, stride);
        out += portion.width;
    }
}

py::object gather(const Context& context, Arguments arguments) {
    const auto& python = context.python;
    PyObject* const out = arguments[2];
    // A tuple, because no other thread can change it while the checks let others run.
    const py::object frames = made(PySequence_Tuple(arguments[0]));
    const auto count = static_cast<std::size_t>(PyTuple_GET_SIZE(frames.ptr()));
    Portions portions(count);
    py::ssize_t shape[2] = {-1, read_widths(python, arguments[1], count, portions)};
    if (is_given(out)) {
        const bool has_rows = PyObject_TypeCheck(out, python.numpy.PyArray_Type_) &&
                              Array(out).ndim() > 0;
        shape[0] = has_rows ? Array(out).shape()[0] : 0;
        checked_out(python, out, python.float32, 2, shape);
    }
    std::size_t position = 0;
    for (Portion& portion : portions)
        open(context, PyTuple_GET_ITEM(frames.ptr(), position++), portion);
    position = 0;
    for (const Portion& portion : portions) {
        if (portion.is_there) shape[0] = checked_rows(python, portion, position, shape[0]);
        ++position;
    }
    if (shape[0] < 0) throw py::value_error("no frame is there and no out tells the rows");
    const py::object array = as_out(python, out, python.float32, 2, shape);
    float* const values = Array(array).data<float>();
    const LargeWork work(Array(array).size());
    write(context.kernels, portions, static_cast<std::size_t>(shape[0]),
          static_cast<std::size_t>(shape[1]), values);
    return array;
}

}  // namespace

std::vector<Entry> gather_functions() {
    return {{"gather(frames, widths, out=None)", gather}};
}

}  // namespace coinfer::bindings
