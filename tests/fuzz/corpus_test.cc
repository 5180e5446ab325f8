// Gives every file of a corpus to the fuzz target that this program is linked with.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

// Proves that what a fuzzer once found interesting still ends without an abort.
TEST(Corpus, EveryFilePasses) {
  std::vector<std::filesystem::path> files;
  for (const auto& file : std::filesystem::directory_iterator(QUORATE_CORPUS)) {
    files.push_back(file.path());
  }
  std::sort(files.begin(), files.end());
  ASSERT_FALSE(files.empty()) << "no files in " << QUORATE_CORPUS;
  for (const std::filesystem::path& file : files) {
    // Before the call, because an abort leaves no time after it.
    std::cout << file.filename().string() << std::endl;
    std::ifstream stream(file, std::ios::binary);
    ASSERT_TRUE(stream.is_open());
    const std::string bytes((std::istreambuf_iterator<char>(stream)), {});
    // Memory of exactly this size, so that a sanitizer sees a read past it.
    const auto data = std::make_unique<uint8_t[]>(bytes.size());
    std::copy(bytes.begin(), bytes.end(), data.get());
    EXPECT_EQ(LLVMFuzzerTestOneInput(data.get(), bytes.size()), 0);
  }
}

}  // namespace
