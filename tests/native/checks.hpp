// A count of what was checked, and memory that shows when something is written beside it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

namespace native {

// Counts a check; the messages of the first that fail are printed.
[[gnu::format(printf, 2, 3)]] bool expect(bool holds, const char* format, ...);

unsigned long checks_done();
unsigned long checks_failed();

#if defined(__has_feature)
#define NATIVE_HAS_FEATURE(name) __has_feature(name)
#else
#define NATIVE_HAS_FEATURE(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || NATIVE_HAS_FEATURE(address_sanitizer)
constexpr std::size_t margin = 0;  // the sanitizer watches the end itself
#else
constexpr std::size_t margin = 64;
#endif
constexpr std::uint8_t guard = 0xA5;

// `count` elements that begin `shift` bytes off the alignment of the heap and end where the
// heap block ends, but for the margin.
template <typename T>
class Block {
public:
    explicit Block(std::size_t count, std::size_t shift = 0)
        : begin_(shift + margin),
          end_(begin_ + count * sizeof(T)),
          memory_(new std::uint8_t[end_ + margin]) {
        std::memset(memory_.get(), guard, begin_);
        std::memset(memory_.get() + end_, guard, margin);
    }

    T* data() { return reinterpret_cast<T*>(memory_.get() + begin_); }
    T& operator[](std::size_t i) { return data()[i]; }

    bool intact() const {
        for (std::size_t i = 0; i < begin_; ++i)
            if (memory_[i] != guard) return false;
        for (std::size_t i = end_; i < end_ + margin; ++i)
            if (memory_[i] != guard) return false;
        return true;
    }

private:
    std::size_t begin_, end_;
    std::unique_ptr<std::uint8_t[]> memory_;
};

}  // namespace native
