// The extension module coinfer_kernels._native.
#include "bindings/functions.hpp"

namespace py = pybind11;

namespace {

// Instruction sets that this machine can run, the best one first.
py::tuple isa_available() {
    const auto sets = coinfer::available();
    py::tuple names(sets.size());
    for (std::size_t i = 0; i < sets.size(); ++i) names[i] = sets[i]->name;
    return names;
}

py::dict functions(const std::string& isa, const py::dict& docs) {
    for (const coinfer::Kernels* kernels : coinfer::available())
        if (kernels->name == isa) return coinfer::bindings::make_functions(*kernels, docs);
    throw py::value_error("this machine cannot run the instruction set " + isa);
}

}  // namespace

PYBIND11_MODULE(_native, module) {
    py::options options;
    options.disable_function_signatures();
    module.doc() = "Native kernels; use them through coinfer_kernels.";
    module.attr("compiler") = __VERSION__;
    module.def("empty", [] {}, "Do nothing: what a call costs, for the benchmarks.");
    module.def("isa_available", isa_available, "Instruction sets of this machine, best first.");
    module.def("functions", functions, py::arg("isa"), py::arg("docs"),
               "Functions of one instruction set, by name.");
}
