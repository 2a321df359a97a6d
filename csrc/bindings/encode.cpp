// encode and encode_batch.
#include "bindings/buffers.hpp"
#include "bindings/functions.hpp"
#include "bindings/tensors.hpp"

namespace coinfer::bindings {
namespace {

py::object encode(const Context& context, Arguments arguments) {
    const auto& kernels = context.kernels;
    const auto& python = context.python;
    const Encoding encoding = encoding_named(python, arguments[1]);
    const Tensor tensor(python, arguments[0], encoding, "x");
    const bool crc = as_flag(arguments[3], true);
    Room room(python, arguments[2], tensor.room());
    std::size_t size;
    {
        const LargeWork work(tensor.size());
        size = tensor.write(kernels, crc, room.data());
    }
    return room.frame(size);
}

py::object encode_batch(const Context& context, Arguments arguments) {
    const auto& kernels = context.kernels;
    const auto& python = context.python;
    const Encoding encoding = encoding_named(python, arguments[1]);
    // A tuple, because no other thread can change it while the conversions run Python code.
    const py::object items = made(PySequence_Tuple(arguments[0]));
    const auto count = static_cast<std::size_t>(PyTuple_GET_SIZE(items.ptr()));
    std::vector<Tensor> tensors;
    tensors.reserve(count);
    std::size_t elements = 0, needed = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const std::string name = "tensors[" + std::to_string(i) + "]";
        tensors.emplace_back(python, PyTuple_GET_ITEM(items.ptr(), i), encoding, name.c_str());
        elements += tensors.back().size();
        needed += tensors.back().room();
    }
    const bool crc = as_flag(arguments[3], true);
    Room room(python, arguments[2], needed);
    std::vector<std::size_t> ends(count);
    {
        const LargeWork work(elements);
        std::size_t end = 0;
        for (std::size_t i = 0; i < count; ++i)
            ends[i] = end += tensors[i].write(kernels, crc, room.data() + end);
    }
    return room.frames(ends);
}

}  // namespace

std::vector<Entry> encode_functions() {
    return {{"encode(x, encoding, out=None, crc=True)", encode},
            {"encode_batch(tensors, encoding, out=None, crc=True)", encode_batch}};
}

}  // namespace coinfer::bindings
