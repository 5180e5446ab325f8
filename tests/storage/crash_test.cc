// kill -9 at any moment: what a server was told is durable is there, and log and state fit
// together.

#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "storage/data_directory.h"
#include "tests/storage/child_process.h"
#include "tests/storage/empty_state.h"
#include "tests/storage/log_fixture.h"
#include "tests/storage/random.h"
#include "tests/storage/system_calls.h"
#include "tests/storage/workload.h"

namespace quorate::storage {
namespace {

using consensus::Entry;
using consensus::Index;
using consensus::NodeId;
using consensus::Term;

constexpr int kFatal = 7;

// Opens the folder and compares it with what was acknowledged.
class Inspector {
 public:
  explicit Inspector(const Acknowledged& acknowledged) : acknowledged_(acknowledged) {}

  void Inspect(const std::string& path) {
    const Result<OpenedStorage> opened = OpenStorage(path, WorkloadIdentity(), {});
    ASSERT_TRUE(opened.ok()) << opened.error();
    const OpenedStorage& storage = opened.value();
    const consensus::Recovered& recovered = storage.recovered;
    const Index committed(acknowledged_.committed);

    EXPECT_GE(recovered.last_index, committed);
    EXPECT_GE(recovered.base_index, Index(acknowledged_.trimmed));
    EXPECT_GE(recovered.last_applied, Index(acknowledged_.checkpoint));
    EXPECT_LE(recovered.last_applied, committed);
    const Term term(acknowledged_.term);
    EXPECT_GE(recovered.hard_state.current_term, term);
    const NodeId vote(acknowledged_.vote);
    if (recovered.hard_state.current_term == term && vote != NodeId()) {
      EXPECT_EQ(recovered.hard_state.voted_for, vote);
    }

    for (const Entry& entry : ReadAll(*storage.log)) {
      ASSERT_EQ(entry, WorkloadEntry(entry.index, entry.term));
      if (entry.index <= committed) {
        ASSERT_EQ(entry.term, Term(acknowledged_.terms[entry.index.value()]));
      }
    }

    const Status verified = storage.state->VerifyRows();
    ASSERT_TRUE(verified.ok()) << verified.error();
    while (keys_.last_applied() < recovered.last_applied) {
      const Index next = keys_.last_applied() + 1;
      ApplyWorkloadEntry(keys_, next, Term(acknowledged_.terms[next.value()]));
    }
    const StateMeta& meta = storage.state->meta();
    EXPECT_EQ(meta.digest, keys_.digest());
    EXPECT_EQ(meta.key_count, keys_.key_count());
    EXPECT_EQ(meta.revision, keys_.revision());
    EXPECT_EQ(meta.clock_ms, keys_.clock_ms());
  }

 private:
  const Acknowledged& acknowledged_;
  // What the state should be, made in memory from the committed entries alone.
  EmptyState nothing_;
  KeySpace keys_{nothing_, {}};
};

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
    inspector.Inspect(directory / "data");
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
    inspector.Inspect(directory / "data");
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
    inspector.Inspect(directory / "data");
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
