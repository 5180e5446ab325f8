#include "redis-tests/support/small_disk.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "redis-tests/support/child_process.h"

namespace quorate::redis_tests {

namespace {

constexpr int kTimeoutMs = 60'000;

bool Succeeds(const std::vector<std::string>& arguments) {
  return RunProgram(arguments, "", kTimeoutMs).end == ProcessEnd{0, 0};
}

}  // namespace

bool EnterOwnMountNamespace() {
  return unshare(CLONE_NEWNS) == 0 &&
         mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

std::unique_ptr<SmallDisk> SmallDisk::Mount(const std::string& folder, int megabytes) {
  // In memory: it is to be small, not slow. mkstemp replaces the X's.
  std::string file = "/dev/shm/quorate-small-disk-XXXXXX";
  const int descriptor = mkstemp(file.data());
  if (descriptor < 0) {
    return nullptr;
  }
  const bool mounted = ftruncate(descriptor, off_t{megabytes} << 20) == 0 &&
                       Succeeds({"/sbin/mkfs.ext4", "-q", "-m", "0", file}) &&
                       mkdir(folder.c_str(), 0755) == 0 &&
                       Succeeds({"/bin/mount", "-o", "loop", file, folder});
  close(descriptor);
  unlink(file.c_str());  // the loop device keeps it for as long as it is mounted
  if (!mounted) {
    return nullptr;
  }
  rmdir((folder + "/lost+found").c_str());
  return std::unique_ptr<SmallDisk>(new SmallDisk(folder));
}

SmallDisk::~SmallDisk() { umount2(folder_.c_str(), MNT_DETACH); }

void SmallDisk::Fill() {
  const std::string path = folder_ + "/filler-" + std::to_string(fillers_++);
  const int descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  std::vector<char> bytes(1 << 20, 'f');
  // The last bytes, too.
  for (size_t size = bytes.size(); size > 0;) {
    if (write(descriptor, bytes.data(), size) <= 0) {
      size /= 2;
    }
  }
  fsync(descriptor);
  close(descriptor);
}

void SmallDisk::MakeSpace() {
  while (fillers_ > 0) {
    unlink((folder_ + "/filler-" + std::to_string(--fillers_)).c_str());
  }
}

}  // namespace quorate::redis_tests
