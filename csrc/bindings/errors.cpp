#include "bindings/errors.hpp"

#include "core/codec.hpp"

namespace coinfer::bindings {

void set_python_error(const Python& python) noexcept {
    try {
        try {
            throw;
        } catch (const Fault& fault) {
            const py::object error = python.frame_error(fault.field, fault.what());
            PyErr_SetObject(python.frame_error.ptr(), error.ptr());
        } catch (const Unquantisable& span) {
            PyErr_SetString(PyExc_ValueError, span.message().c_str());
        }
    } catch (py::error_already_set& error) {
        error.restore();
    } catch (const py::builtin_exception& error) {
        error.set_error();
    } catch (const std::bad_alloc&) {
        PyErr_NoMemory();
    } catch (const std::exception& error) {
        PyErr_SetString(PyExc_RuntimeError, error.what());
    } catch (...) {
        PyErr_SetString(PyExc_RuntimeError, "unknown C++ exception");
    }
}

}  // namespace coinfer::bindings
