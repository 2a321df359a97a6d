#pragma once

#include <cstddef>
#include <memory>

namespace coinfer {

// An array for intermediate results, not initialised: small ones need no allocation.
template <typename T, std::size_t small>
class Scratch {
public:
    explicit Scratch(std::size_t count) : large_(count > small ? new T[count] : nullptr) {}
    T* data() { return large_ ? large_.get() : small_; }
    const T* data() const { return large_ ? large_.get() : small_; }

private:
    T small_[small];
    std::unique_ptr<T[]> large_;
};

}  // namespace coinfer
