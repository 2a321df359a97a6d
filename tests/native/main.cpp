// Checks every instruction set of this machine without Python: driver <folder of fixture frames>
#include <cstdio>
#include <cstring>

#include "checks.hpp"
#include "parts.hpp"
#include "truth.hpp"

int main(int count, char** arguments) {
    const bool bochs = count == 3 && std::strcmp(arguments[2], "--bochs") == 0;
    if (count != (bochs ? 3 : 2)) {
        std::fprintf(stderr, "usage: %s tests/kernels/fixtures [--bochs]\n", arguments[0]);
        return 2;
    }
    truth::halves_tie_away = bochs;
    native::check_checksums();
    for (const coinfer::Kernels* kernels : coinfer::available()) {
        // The others need no emulation, and do not all convert by what Bochs has wrong.
        if (bochs && std::strcmp(kernels->name, "avx512") != 0) continue;
        const unsigned long before = native::checks_done(), wrong = native::checks_failed();
        native::check_numbers(*kernels);
        native::check_frames(*kernels);
        native::check_refusals(*kernels);
        native::check_confidence(*kernels);
        native::check_fixtures(*kernels, arguments[1]);
        std::printf("%-8s %lu checks, %lu failed\n", kernels->name,
                    native::checks_done() - before, native::checks_failed() - wrong);
    }
    return native::checks_failed() == 0 ? 0 : 1;
}
