#include "fixtures.hpp"

#include <fstream>

namespace native {

std::map<std::string, truth::Bytes> fixtures(const std::filesystem::path& folder) {
    std::map<std::string, truth::Bytes> frames;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        if (entry.path().extension() != ".hex") continue;
        truth::Bytes& bytes = frames[entry.path().stem().string()];
        std::ifstream file(entry.path());
        for (char high, low; file >> high >> low;)
            bytes.push_back(
                static_cast<std::uint8_t>(std::stoi(std::string{high, low}, nullptr, 16)));
    }
    return frames;
}

}  // namespace native
