// A disk without space: nothing is acknowledged that is not there, also when the process ends at
// that moment, and everything goes on by itself once there is space again.

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include "storage/folder/data_directory.h"
#include "tests/storage/log/log_fixture.h"
#include "tests/storage/support/child_process.h"
#include "tests/storage/support/temporary_directory.h"
#include "tests/storage/support/workload.h"

namespace quorate::storage {
namespace {

using consensus::Entry;
using consensus::Index;
using consensus::Term;

constexpr int kFull = 7;
constexpr int kWrongText = 8;
constexpr int kRefused = 9;
constexpr int kLost = 10;
constexpr int kNotPermitted = 77;

// With a journal that such disks have room for.
StorageOptions Small(FatalHandler fatal = nullptr) {
  StorageOptions options;
  options.fatal = std::move(fatal);
  options.journal_bytes = 64 << 10;
  return options;
}

// Writes until the disk is full, and ends at once.
int WriteUntilFull(const std::string& path, Acknowledged& acknowledged, const char* expected) {
  Workload::Options options{.seed = 1};
  options.fatal = [](const std::string& text) {
    std::fprintf(stderr, "%s\n", text.c_str());
    _exit(kWrongText);
  };
  options.report = [&](const std::string& text) {
    std::fprintf(stderr, "(as expected) %s\n", text.c_str());
    _exit(text.find(expected) != std::string::npos ? kFull : kWrongText);
  };
  Result<OpenedStorage> opened = OpenStorage(path, WorkloadIdentity(), Small(options.fatal));
  if (!opened.ok()) return kRefused;
  Workload(opened.value(), acknowledged, options).Run();
  return 0;
}

// 0 when all that was acknowledged is there.
int Inspect(const std::string& path, const Acknowledged& acknowledged) {
  const Result<OpenedStorage> opened = OpenStorage(path, WorkloadIdentity(), Small());
  if (!opened.ok()) {
    std::fprintf(stderr, "%s\n", opened.error().c_str());
    return kRefused;
  }
  const OpenedStorage& storage = opened.value();
  if (storage.recovered.last_index < Index(acknowledged.committed)) return kLost;
  if (storage.recovered.hard_state.current_term < Term(acknowledged.term)) return kLost;
  for (const Entry& entry : ReadAll(*storage.log)) {
    if (entry != WorkloadEntry(entry.index, entry.term)) return kLost;
  }
  return storage.state->VerifyRows().ok() ? 0 : kLost;
}

int WriteSome(const std::string& path, Acknowledged& acknowledged) {
  Result<OpenedStorage> opened = OpenStorage(path, WorkloadIdentity(), Small());
  if (!opened.ok()) return kRefused;
  const uint64_t before = acknowledged.committed;
  Workload(opened.value(), acknowledged, {.seed = 2, .steps = 200}).Run();
  return acknowledged.committed > before ? 0 : kLost;
}

// A file may grow no further, which every user can have: the limit of a shell.
TEST(DiskFull, ALimitOnTheFilesSize) {
  TemporaryDirectory directory;
  const Shared<Acknowledged> acknowledged;
  const std::string path = directory / "data";
  const auto limited = [&](rlim_t bytes) {
    return RunChild([&, bytes] {
      signal(SIGXFSZ, SIG_IGN);
      const rlimit limit{bytes, bytes};
      if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
      return WriteUntilFull(path, *acknowledged, "cannot be written");
    });
  };
  for (const rlim_t bytes : {100 << 10, 300 << 10, 301 << 10, 1 << 20}) {
    const int status = limited(bytes);
    ASSERT_TRUE(status == kFull || status == kRefused) << status;
    ASSERT_EQ(RunChild([&] { return Inspect(path, *acknowledged); }), 0);
  }
  EXPECT_GT(acknowledged->committed, 0U);
  EXPECT_EQ(RunChild([&] { return WriteSome(path, *acknowledged); }), 0);
  EXPECT_EQ(RunChild([&] { return Inspect(path, *acknowledged); }), 0);
}

// In a namespace of the child's own, so that nothing stays mounted whatever happens.
bool MountSmallDisk(const std::string& path) {
  return unshare(CLONE_NEWNS) == 0 &&
         mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         mount("tmpfs", path.c_str(), "tmpfs", 0, "size=3m") == 0;
}

int FillAndMakeSpace(const std::string& disk, Acknowledged& acknowledged) {
  if (!MountSmallDisk(disk)) return kNotPermitted;
  const std::string path = disk + "/data";
  const std::string ballast = disk + "/ballast";
  std::ofstream(ballast) << std::string(1 << 20, 'x');
  // Twice: the second start finds the disk full already. It may find free pages in its files, or
  // refuse.
  for (int start = 0; start < 2; ++start) {
    const int status =
        RunChild([&] { return WriteUntilFull(path, acknowledged, "bytes are free on that disk"); });
    if (status != kFull && !(start == 1 && status == kRefused))
      return status < 0 ? -status : status;
  }
  std::filesystem::remove(ballast);
  if (const int status = RunChild([&] { return Inspect(path, acknowledged); })) return status;
  if (const int status = RunChild([&] { return WriteSome(path, acknowledged); })) return status;
  return RunChild([&] { return Inspect(path, acknowledged); });
}

TEST(DiskFull, ASmallDisk) {
  TemporaryDirectory directory;
  const Shared<Acknowledged> acknowledged;
  const int status = RunChild([&] { return FillAndMakeSpace(directory.path(), *acknowledged); });
  if (status == kNotPermitted) {
    // Mounting takes root's rights. ALimitOnTheFilesSize, above, meets the same errors without
    // them.
    GTEST_SKIP() << "this user may not mount a small disk to fill";
  }
  EXPECT_EQ(status, 0);
  EXPECT_GT(acknowledged->committed, 0U);
}

// A first start on a disk that is full from the beginning: no half-made folder that is refused
// later.
TEST(DiskFull, AFirstStartIsTakenUpOnceThereIsSpace) {
  TemporaryDirectory directory;
  const std::string path = directory / "data";
  for (rlim_t bytes = 0; bytes < 80 << 10; bytes += 4 << 10) {
    const int status = RunChild([&, bytes] {
      signal(SIGXFSZ, SIG_IGN);
      const rlimit limit{bytes, bytes};
      if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
      return OpenStorage(path, WorkloadIdentity(), Small()).ok() ? 0 : kRefused;
    });
    ASSERT_TRUE(status == 0 || status == kRefused) << status;
  }
  const Shared<Acknowledged> acknowledged;
  EXPECT_EQ(RunChild([&] { return Inspect(path, *acknowledged); }), 0);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they need it all themselves
// The limit of a shell or a service file on address space: a text that says what to change.
TEST(AddressSpace, ALimitIsExplained) {
  TemporaryDirectory directory;
  const std::string path = directory / "data";
  const int status = RunChild([&] {
    const rlimit limit{rlim_t{4} << 30, rlim_t{4} << 30};
    if (setrlimit(RLIMIT_AS, &limit) != 0) return 1;
    const Result<OpenedStorage> opened = OpenStorage(path, WorkloadIdentity(), Small());
    if (opened.ok()) return 0;
    std::fprintf(stderr, "(as expected) %s\n", opened.error().c_str());
    return opened.error().find("ulimit -v") == std::string::npos ? kWrongText : kRefused;
  });
  EXPECT_EQ(status, kRefused);
  // A smaller map fits, and the folder is none the worse.
  const Result<OpenedStorage> opened =
      OpenStorage(path, WorkloadIdentity(), {.map_bytes = 1 << 30});
  EXPECT_TRUE(opened.ok()) << opened.error();
}
#endif

}  // namespace
}  // namespace quorate::storage
