#include "checks.hpp"

#include <cstdarg>
#include <cstdio>

namespace native {
namespace {
unsigned long done = 0, failed = 0;
}

bool expect(bool holds, const char* format, ...) {
    constexpr unsigned long shown = 20;
    ++done;
    if (holds) return true;
    if (++failed <= shown) {
        std::va_list arguments;
        va_start(arguments, format);
        std::fputs("FAILED ", stdout);
        std::vprintf(format, arguments);
        std::putchar('\n');
        va_end(arguments);
    }
    return false;
}

unsigned long checks_done() { return done; }
unsigned long checks_failed() { return failed; }

}  // namespace native
