// C++ exceptions as Python errors.
#pragma once

#include "bindings/python.hpp"

namespace coinfer::bindings {

// Sets the Python error for the exception that is being handled.
void set_python_error(const Python& python) noexcept;

// Calls a function of the Python package that must raise, and throws what it raised. All back
// ends share these refusals.
template <typename... Arguments>
[[noreturn]] void refuse_by(const py::object& owner, const char* function,
                            Arguments&&... arguments) {
    owner.attr(function)(std::forward<Arguments>(arguments)...);
    throw std::logic_error(std::string(function) + " accepts what the native back end refuses");
}

}  // namespace coinfer::bindings
