// A file system that a test can fill.
#pragma once

#include <memory>
#include <string>

namespace quorate::redis_tests {

// Lets this process and its children mount file systems that nobody else sees and that vanish with
// them. Once, before any thread is made. False: this user may not.
bool EnterOwnMountNamespace();

// An ext4 file system, mounted.
class SmallDisk {
 public:
  // Mounts at `folder`, which is made; its bytes are in memory. Null when that is not possible
  // here.
  static std::unique_ptr<SmallDisk> Mount(const std::string& folder, int megabytes);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  // Takes all the space that is left. Others may have given some back meanwhile: then again.
  void Fill();
  void MakeSpace();

 private:
  explicit SmallDisk(std::string folder) : folder_(std::move(folder)) {}

  const std::string folder_;
  int fillers_ = 0;
};

}  // namespace quorate::redis_tests
