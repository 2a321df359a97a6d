// Writes frames to begin with: seeds <folder of fixture frames> <corpus>
#include <filesystem>
#include <fstream>

#include "fixtures.hpp"
#include "inputs.hpp"

namespace {

void write(const std::filesystem::path& path, const truth::Bytes& bytes) {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
}

}  // namespace

int main(int, char** arguments) {
    const std::filesystem::path fixtures = arguments[1], corpus = arguments[2];
    std::filesystem::create_directories(corpus);
    for (const auto& [name, bytes] : native::fixtures(fixtures)) write(corpus / name, bytes);
    for (const truth::Encoding& encoding : truth::encodings())
        for (const std::uint32_t n : {1u, 33u, 130u, 500u})
            write(corpus / (encoding.name + std::to_string(n)),
                  truth::encode(native::tensor(native::Family::relu, 2 * n, true, n), {2, n},
                                encoding, n % 2 == 0).bytes);
}
