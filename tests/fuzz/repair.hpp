// Makes frames of arbitrary bytes, so that the fuzzer gets past the first checks.
#pragma once

#include "inputs.hpp"
#include "truth.hpp"

namespace fuzz {

// The same bytes with most of what a reader checks put right; each thing is left wrong now and
// then. The result may be longer or shorter.
truth::Bytes repaired(truth::Bytes frame, native::Random& random);

}  // namespace fuzz
