// Loaded into a server with LD_PRELOAD: while the file named by FAILING_DISK exists, every sync
// fails with EIO and syncs nothing.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace {

bool Fails() {
  const char* name = std::getenv("FAILING_DISK");
  return name != nullptr && access(name, F_OK) == 0;
}

int Sync(long call, int descriptor) {
  if (Fails()) {
    errno = EIO;
    return -1;
  }
  return static_cast<int>(syscall(call, descriptor));
}

}  // namespace

extern "C" {

int fsync(int descriptor) { return Sync(SYS_fsync, descriptor); }
int fdatasync(int descriptor) { return Sync(SYS_fdatasync, descriptor); }

// Through a synchronous descriptor, a write is a sync as well.
ssize_t pwrite(int descriptor, const void* bytes, size_t size, off_t offset) {
  if ((fcntl(descriptor, F_GETFL) & O_DSYNC) != 0 && Fails()) {
    errno = EIO;
    return -1;
  }
  return syscall(SYS_pwrite64, descriptor, bytes, size, offset);
}

}  // extern "C"
