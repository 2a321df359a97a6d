// Functions of one instruction set as Python callables, by the fastest convention there is.
//
// A pybind11 function costs two to ten times as much to call, the more the more keywords are used.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bindings/python.hpp"
#include "simd/kernels.hpp"

namespace coinfer::bindings {

constexpr std::size_t most_parameters = 6;

// One argument for each parameter, borrowed; null where the caller gave none.
using Arguments = PyObject* const*;

// The parameters of a function, as Python writes them: "f(x, out=None)".
class Signature {
public:
    explicit Signature(const char* text);

    // Sorts a call's arguments into `values`, which are all null; raises TypeError.
    void bind(PyObject* const* arguments, py::ssize_t positional, PyObject* keywords,
              PyObject** values) const {
        const auto count = static_cast<std::size_t>(positional);
        if (keywords == nullptr && count >= required_ && count <= names_.size()) {
            for (std::size_t i = 0; i < count; ++i) values[i] = arguments[i];
            return;
        }
        bind_keywords(arguments, count, keywords, values);
    }
    const std::string& text() const { return text_; }
    const std::string& function() const { return function_; }

private:
    void bind_keywords(PyObject* const* arguments, std::size_t positional, PyObject* keywords,
                       PyObject** values) const;

    std::string text_;
    std::string function_;
    Names names_;
    std::size_t required_ = 0;
};

// What a function works with besides its arguments.
struct Context {
    const Kernels& kernels;
    const Python& python;
};

using Body = py::object (*)(const Context& context, Arguments arguments);

struct Entry {
    const char* signature;
    Body body;
};

std::vector<Entry> encode_functions();
std::vector<Entry> decode_functions();
std::vector<Entry> gather_functions();
std::vector<Entry> scores_functions();
std::vector<Entry> change_functions();

// The callables by name, with the docstrings in `docs`.
py::dict make_functions(const Kernels& kernels, const py::dict& docs);

// Other threads may run during large inputs only: letting go of the interpreter lock and taking
// it again costs more than a small input takes. No Python object may be touched meanwhile.
class LargeWork {
public:
    explicit LargeWork(std::size_t elements)
        : thread_(is_large(elements) ? PyEval_SaveThread() : nullptr) {}
    ~LargeWork() {
        if (thread_ != nullptr) PyEval_RestoreThread(thread_);
    }
    LargeWork(const LargeWork&) = delete;
    LargeWork& operator=(const LargeWork&) = delete;

    static bool is_large(std::size_t elements) { return elements > 16384; }

private:
    PyThreadState* thread_;
};

}  // namespace coinfer::bindings
