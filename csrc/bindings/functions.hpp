// The Python functions of one instruction set.
#pragma once

#include <pybind11/pybind11.h>

#include <optional>

#include "simd/kernels.hpp"

namespace coinfer::bindings {

// Other threads may run during large inputs only: letting go of the interpreter lock and taking
// it again costs more than a small input takes.
class LargeWork {
public:
    explicit LargeWork(std::size_t elements) {
        if (elements > 16384) release_.emplace();
    }

private:
    std::optional<pybind11::gil_scoped_release> release_;
};

// Each adds its functions to `functions`, with the docstrings in `docs`.
void add_codec(const Kernels& kernels, const pybind11::dict& docs, pybind11::dict& functions);
void add_scores(const Kernels& kernels, const pybind11::dict& docs, pybind11::dict& functions);

template <typename Function, typename... Extra>
void add(pybind11::dict& functions, const pybind11::dict& docs, const char* name,
         Function&& function, const Extra&... extra) {
    const auto doc = docs[name].cast<std::string>();
    functions[name] = pybind11::cpp_function(std::forward<Function>(function),
                                             pybind11::name(name), pybind11::doc(doc.c_str()),
                                             extra...);
}

}  // namespace coinfer::bindings
