#include <algorithm>

#include "checks.hpp"
#include "fixtures.hpp"
#include "frames.hpp"
#include "parts.hpp"

namespace native {

// The committed frames decode to what their bytes say, and come out again when that is encoded
// (int8 has its own rounding: a decoded tensor gives the same bytes only if its span is kept).
void check_fixtures(const coinfer::Kernels& kernels, const std::string& folder) {
    std::size_t found = 0;
    for (const auto& [name, bytes] : fixtures(folder)) {
        ++found;
        const truth::Floats expected = truth::decode(bytes);
        const truth::Encoding& encoding = truth::encoding_of(bytes);
        Block<std::uint8_t> frame(bytes.size(), 1);
        std::copy(bytes.begin(), bytes.end(), frame.data());
        Block<float> out(expected.size());
        const coinfer::Header header =
            decode_frame(kernels, frame.data(), bytes.size(), out.data());
        bool right = true;
        for (std::size_t i = 0; i < expected.size(); ++i)
            right = right && same(out[i], expected[i], encoding);
        expect(right, "%s decodes %s to something else", kernels.name, name.c_str());
        if (encoding.quantised()) continue;
        Block<std::uint8_t> again(coinfer::largest_frame(header), 3);
        const std::size_t size =
            coinfer::encode(kernels, out.data(), header, header.flags != 0, again.data());
        expect(size == bytes.size() && std::equal(bytes.begin(), bytes.end(), again.data()),
               "%s encodes %s to other bytes", kernels.name, name.c_str());
    }
    expect(found > 0, "no fixture frames in %s", folder.c_str());
}

}  // namespace native
