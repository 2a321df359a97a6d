// What follows the header: the table and the values of each encoding.
#pragma once

#include <optional>

#include "core/channels.hpp"

namespace coinfer {

// Work in pieces whose intermediate results stay in the first-level cache. A multiple of what
// shares bytes or parameters: of 8 elements in a bitmap, 2 in a byte, 32 in a group.
constexpr std::size_t block_elements = 4096;

// Writes the payload of a tensor whose encoding and shape are in `header`, fills in the
// header's quantiser, and returns the bytes of the values. Throws Unquantisable.
std::size_t write_payload(const Kernels& kernels, const float* x, Header& header,
                          std::uint8_t* payload);
std::size_t write_payload(const Kernels& kernels, const std::uint16_t* halves, Header& header,
                          std::uint8_t* payload);

// Throws Fault when the payload contradicts itself or the header.
void check_payload(const Kernels& kernels, const Header& header, const std::uint8_t* payload);

// Reads a checked payload from its beginning to its end.
class PayloadReader {
public:
    PayloadReader(const Kernels& kernels, const Header& header, const std::uint8_t* payload);
    // The next `count` elements; all calls but the last ask for whole blocks.
    void read(std::size_t count, float* out);

private:
    void read_groups(std::size_t count, float* out) const;
    void read_sparse(std::size_t count, float* out);

    const Kernels& kernels_;
    const Header& header_;
    const std::uint8_t* table_;
    const std::uint8_t* values_;
    std::size_t first_ = 0;  // elements read so far
    std::size_t taken_ = 0;  // of the values of a sparse tensor
    std::optional<ChannelCodec> channels_;
};

}  // namespace coinfer
