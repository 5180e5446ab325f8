// A folder that ends with its test.
#pragma once

#include <string>

namespace quorate::redis_tests {

// A new folder (below TMPDIR, or /tmp), removed with all that is in it unless Keep was called.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  void Keep() { keep_ = true; }

 private:
  std::string path_;
  bool keep_ = false;
};

}  // namespace quorate::redis_tests
