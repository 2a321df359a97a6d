#include "bindings/functions.hpp"

#include "bindings/errors.hpp"

namespace coinfer::bindings {
namespace {

// A callable's definition and all it needs; the capsule that is its `self` owns it.
struct Function {
    Function(const Kernels& kernels, std::shared_ptr<const Python> shared, const Entry& entry,
             const std::string& documentation)
        : python(std::move(shared)),
          context{kernels, *python},
          body(entry.body),
          signature(entry.signature),
          doc(signature.text() + "\n--\n\n" + documentation) {}

    std::shared_ptr<const Python> python;
    Context context;
    Body body;
    Signature signature;
    std::string doc;  // inspect.signature reads its first line
    PyMethodDef definition = {};
};

PyObject* call(PyObject* self, PyObject* const* arguments, Py_ssize_t positional,
               PyObject* keywords) noexcept {
    const auto& function = *static_cast<const Function*>(PyCapsule_GetPointer(self, nullptr));
    PyObject* values[most_parameters] = {};
    try {
        function.signature.bind(arguments, positional, keywords, values);
        return function.body(function.context, values).release().ptr();
    } catch (...) {
        set_python_error(*function.python);
        return nullptr;
    }
}

// CPython calls it with the signature that the flags announce.
PyCFunction as_method(PyObject* (*function)(PyObject*, PyObject* const*, Py_ssize_t,
                                            PyObject*) noexcept) {
    return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

[[noreturn]] void refuse(const std::string& message) { throw py::type_error(message); }

}  // namespace

Signature::Signature(const char* text) : text_(text) {
    const std::size_t open = text_.find('(');
    function_ = text_.substr(0, open);
    for (std::size_t start = open + 1; start < text_.size();) {
        const std::size_t end = text_.find_first_of(",)", start);
        const std::string parameter = text_.substr(start, end - start);
        const std::size_t name_end = parameter.find('=');
        if (name_end == std::string::npos) ++required_;
        names_.add(parameter.substr(0, name_end).c_str());
        start = end + 2;
    }
    if (names_.size() > most_parameters) throw std::logic_error("most_parameters is too small");
}

void Signature::bind_keywords(PyObject* const* arguments, std::size_t positional,
                              PyObject* keywords, PyObject** values) const {
    const std::size_t most = names_.size();
    if (positional > most)
        refuse(function_ + "() takes at most " + std::to_string(most) + " arguments (" +
               std::to_string(positional) + " given)");
    std::copy(arguments, arguments + positional, values);
    const py::ssize_t named = keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords);
    for (py::ssize_t i = 0; i < named; ++i) {
        const py::handle name = PyTuple_GET_ITEM(keywords, i);
        const int at = names_.find(name);
        if (at < 0)
            refuse(function_ + "() got an unexpected keyword argument '" + std::string(py::str(name)) +
                   "'");
        if (values[at] != nullptr)
            refuse(function_ + "() got multiple values for argument '" + std::string(py::str(name)) +
                   "'");
        values[at] = arguments[positional + static_cast<std::size_t>(i)];
    }
    for (std::size_t i = 0; i < required_; ++i)
        if (values[i] == nullptr)
            refuse(function_ + "() missing required argument '" + std::string(py::str(names_[i])) +
                   "' (pos " + std::to_string(i + 1) + ")");
}

py::dict make_functions(const Kernels& kernels, const py::dict& docs) {
    std::vector<Entry> entries;
    for (const auto& some : {encode_functions(), decode_functions(), gather_functions(),
                             scores_functions(), change_functions()})
        entries.insert(entries.end(), some.begin(), some.end());
    const auto python = std::make_shared<const Python>();
    const py::object module = py::str("coinfer_kernels");
    py::dict functions;
    for (const Entry& entry : entries) {
        const std::string text = entry.signature;
        const py::str name = text.substr(0, text.find('('));
        auto function =
            std::make_unique<Function>(kernels, python, entry, docs[name].cast<std::string>());
        function->definition = {function->signature.function().c_str(), as_method(call),
                                METH_FASTCALL | METH_KEYWORDS, function->doc.c_str()};
        PyMethodDef* const definition = &function->definition;
        const py::object self = made(PyCapsule_New(function.get(), nullptr, [](PyObject* capsule) {
            delete static_cast<Function*>(PyCapsule_GetPointer(capsule, nullptr));
        }));
        function.release();
        functions[name] = made(PyCFunction_NewEx(definition, self.ptr(), module.ptr()));
    }
    functions["isa"] = kernels.name;  // so that nobody has to believe that it is what was asked for
    return functions;
}

}  // namespace coinfer::bindings
