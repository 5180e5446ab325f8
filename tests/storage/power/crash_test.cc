// kill -9 at any moment: what a server was told is durable is there, and log and state fit
// together.

#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "storage/folder/data_directory.h"
#include "tests/storage/support/child_process.h"
#include "tests/storage/support/inspector.h"
#include "tests/storage/support/random.h"
#include "tests/storage/support/system_calls.h"
#include "tests/storage/support/temporary_directory.h"
#include "tests/storage/support/workload.h"

namespace quorate::storage {
namespace {

constexpr int kFatal = 7;

int RunWorkload(const std::string& path, Acknowledged& acknowledged,
                const Workload::Options& options) {
  Result<OpenedStorage> opened = OpenStorage(path, WorkloadIdentity(), {.fatal = options.fatal});
  if (!opened.ok()) {
    std::fprintf(stderr, "%s\n", opened.error().c_str());
    return 1;
  }
  Workload(opened.value(), acknowledged, options).Run();
  return 0;
}

TEST(Crash, KilledAtAnyMoment) {
  const uint64_t seed = TestSeed(99);
  SCOPED_TRACE("QUORATE_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  TemporaryDirectory directory;
  const Shared<Acknowledged> acknowledged;
  Inspector inspector(*acknowledged);
  for (uint64_t round = 0; round < TestRounds(40); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    // Some are killed while they start, most at work.
    const bool is_at_start = random.OneIn(8);
    const uint64_t delay_usec = random.Below(is_at_start ? 5'000 : 60'000);
    acknowledged->started = 0;
    const uint64_t child_seed = random.Below(1'000'000);
    ChildProcess child(
        [&] { return RunWorkload(directory / "data", *acknowledged, {.seed = child_seed}); });
    while (!is_at_start && acknowledged->started == 0) usleep(100);
    usleep(static_cast<useconds_t>(delay_usec));
    child.Kill();
    ASSERT_EQ(child.Wait(), -SIGKILL);
    inspector.OpenAndInspect(directory / "data");
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(acknowledged->committed, 0U);
}

TEST(Crash, AnOrderlyEndLosesNothing) {
  TemporaryDirectory directory;
  const Shared<Acknowledged> acknowledged;
  Inspector inspector(*acknowledged);
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    ASSERT_EQ(RunChild([&] {
                return RunWorkload(directory / "data", *acknowledged, {.seed = seed, .steps = 500});
              }),
              0);
    inspector.OpenAndInspect(directory / "data");
  }
}

// A sync fails, as when a disk dies: the process ends, with nothing acknowledged from there on. The
// next start finds all that was.
TEST(Crash, AFailedSyncEndsTheProcess) {
  const uint64_t seed = TestSeed(3);
  SCOPED_TRACE("QUORATE_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  TemporaryDirectory directory;
  const Shared<Acknowledged> acknowledged;
  Inspector inspector(*acknowledged);
  for (uint64_t round = 0; round < TestRounds(20); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    const uint64_t sync = 1 + random.Below(60);
    const int status = RunChild([&] {
      Workload::Options options{.seed = round};
      options.fatal = [&](const std::string& text) {
        if (text.find("Input/output error") == std::string::npos) _exit(8);
        // The other thread goes on until the process has ended: time enough to acknowledge too
        // much.
        usleep(2'000);
        _exit(kFatal);
      };
      Result<OpenedStorage> opened =
          OpenStorage(directory / "data", WorkloadIdentity(), {.fatal = options.fatal});
      if (!opened.ok()) return 1;
      system_calls::FailSyncsFrom(sync);
      Workload(opened.value(), *acknowledged, options).Run();
      return 0;
    });
    ASSERT_EQ(status, kFatal);
    inspector.OpenAndInspect(directory / "data");
    if (testing::Test::HasFailure()) return;
  }
}

// As in a start on a disk that fails at once.
TEST(Crash, AStartOnAFailingDiskIsRefused) {
  TemporaryDirectory directory;
  ASSERT_EQ(RunChild([&] {
              const auto opened = OpenStorage(directory / "data", WorkloadIdentity(), {});
              return opened.ok() ? 0 : 1;
            }),
            0);
  EXPECT_EQ(RunChild([&] {
              system_calls::FailSyncsFrom(1);
              const auto opened = OpenStorage(directory / "data", WorkloadIdentity(), {});
              if (opened.ok()) return 0;
              return opened.error().find("Input/output error") == std::string::npos ? 1 : kFatal;
            }),
            kFatal);
}

}  // namespace
}  // namespace quorate::storage
