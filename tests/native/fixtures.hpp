// The committed frames.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "truth.hpp"

namespace native {

std::map<std::string, truth::Bytes> fixtures(const std::filesystem::path& folder);

}  // namespace native
