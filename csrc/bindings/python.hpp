// The Python objects that the bindings need again and again, and choices among names.
#pragma once

#include <pybind11/numpy.h>

#include <initializer_list>
#include <vector>

namespace coinfer::bindings {

namespace py = pybind11;

// An optional argument that a caller left out is null, or None.
inline bool is_given(PyObject* argument) { return argument != nullptr && argument != Py_None; }

// Names that a caller chooses from. Those written in source code are interned, so that comparing
// pointers nearly always finds them.
class Names {
public:
    Names() = default;
    Names(std::initializer_list<const char*> names) {
        for (const char* name : names) add(name);
    }

    void add(const char* name) {
        PyObject* interned = PyUnicode_InternFromString(name);
        if (interned == nullptr) throw py::error_already_set();
        names_.push_back(py::reinterpret_steal<py::object>(interned));
    }
    // Position of `name`, or -1.
    int find(py::handle name) const {
        const int size = static_cast<int>(names_.size());
        for (int i = 0; i < size; ++i)
            if (names_[i].is(name)) return i;
        if (PyUnicode_Check(name.ptr()))
            for (int i = 0; i < size; ++i)
                if (PyUnicode_Compare(names_[i].ptr(), name.ptr()) == 0) return i;
        return -1;
    }
    const py::object& operator[](std::size_t i) const { return names_[i]; }
    std::size_t size() const { return names_.size(); }

private:
    std::vector<py::object> names_;
};

// Made once for the functions of an instruction set, which share it. Nothing here is static:
// a function-local static would be initialised while other threads wait for it with the
// interpreter lock in their hands.
struct Python {
    py::object float16 = py::dtype("float16");
    py::object float32 = py::dtype::of<float>();
    py::object int32 = py::dtype::of<std::int32_t>();
    py::object int64 = py::dtype::of<std::int64_t>();
    py::object boolean = py::dtype::of<bool>();
    py::module_ arrays = py::module_::import("coinfer_kernels._arrays");
    py::module_ frame = py::module_::import("coinfer_kernels._frame");
    py::module_ scores = py::module_::import("coinfer_kernels._scores");
    py::object asarray = py::module_::import("numpy").attr("asarray");
    py::object exit_scores = scores.attr("ExitScores");
    py::object frame_info = frame.attr("FrameInfo");
    py::object frame_error = py::module_::import("coinfer_kernels.errors").attr("FrameError");
    py::object float32_name = py::str("float32");
    // In the order of their codes, from 1 on.
    Names encodings{"raw",          "fp16",         "int8",        "bf16",
                    "int8-channel", "int4",         "int4-channel", "int4-group32",
                    "sparse-fp32",  "sparse-fp16",  "sparse-int8"};
    Names rules{"max-prob", "entropy", "margin", "energy"};
    Names changes{"l2", "relative-l2", "cosine"};
    const py::detail::npy_api& numpy = py::detail::npy_api::get();
};

// An object that a C API function has just made, or the error it has set.
inline py::object made(PyObject* object) {
    if (object == nullptr) throw py::error_already_set();
    return py::reinterpret_steal<py::object>(object);
}

// A named tuple, made without its constructor, which is written in Python.
inline py::object named_tuple(const py::object& type, std::initializer_list<py::object> members) {
    auto* const tuple_type = reinterpret_cast<PyTypeObject*>(type.ptr());
    py::object tuple =
        made(tuple_type->tp_alloc(tuple_type, static_cast<py::ssize_t>(members.size())));
    py::ssize_t i = 0;
    for (const py::object& member : members)
        PyTuple_SET_ITEM(tuple.ptr(), i++, member.inc_ref().ptr());
    return tuple;
}

}  // namespace coinfer::bindings
