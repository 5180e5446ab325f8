// A first start that ends suddenly, at each of its steps, and what the next start makes of it.

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "storage/folder/data_directory.h"
#include "tests/storage/log/log_fixture.h"
#include "tests/storage/support/child_process.h"
#include "tests/storage/support/random.h"
#include "tests/storage/support/system_calls.h"
#include "tests/storage/support/temporary_directory.h"

namespace quorate::storage {
namespace {

constexpr int kEnded = 42;

Identity NodeOne() {
  return {.cluster_id = 0xabc, .node_id = consensus::NodeId(1), .members = "m"};
}

// 0 when the folder opens and is as new.
int OpenFresh(const std::string& path) {
  const Result<OpenedStorage> opened = OpenStorage(path, NodeOne(), {});
  if (!opened.ok()) {
    std::fprintf(stderr, "%s\n", opened.error().c_str());
    return 1;
  }
  const OpenedStorage& storage = opened.value();
  const bool is_new = storage.identity == NodeOne() && storage.log->pristine() &&
                      storage.state->meta() == StateMeta();
  return is_new ? 0 : 2;
}

int OpenAndEndBefore(const std::string& path, uint64_t call) {
  return RunChild([&] {
    system_calls::EndProcessBefore(call, kEnded);
    return OpenFresh(path);
  });
}

TEST(InterruptedStart, AtEachStepTheNextStartTakesItUp) {
  TemporaryDirectory directory;
  uint64_t call = 0;
  for (int status = kEnded; status == kEnded;) {
    ++call;
    const std::string path = directory / std::to_string(call);
    status = OpenAndEndBefore(path, call);
    ASSERT_TRUE(status == kEnded || status == 0) << "before call " << call << ": " << status;
    // Twice: the start after an interrupted one makes what the others then only open.
    ASSERT_EQ(RunChild([&] { return OpenFresh(path); }), 0) << "after call " << call;
    ASSERT_EQ(RunChild([&] { return OpenFresh(path); }), 0) << "after call " << call;
    const Result<std::optional<Identity>> identity = ReadIdentity(path, {});
    ASSERT_TRUE(identity.ok()) << identity.error();
    ASSERT_EQ(identity.value(), NodeOne());
  }
  // Three folders, two environments with two commits each or more, two renames: else nothing was
  // watched.
  EXPECT_GT(call, 20U);
}

// Starts behind a sudden end, with acknowledged entries in the journal alone: at each step these
// are in LMDB, or the journal that has them is still known as the log's.
TEST(InterruptedStart, ALaterStartKeepsWhatTheJournalHas) {
  TemporaryDirectory directory;
  const StorageOptions options{.journal_bytes = 64 << 10};
  const std::string base = directory / "base";
  ASSERT_EQ(RunChild([&] {
              Result<OpenedStorage> opened = OpenStorage(base, NodeOne(), options);
              const std::vector writes{MakeWrite(1, MakeEntries(1, 3, 1))};
              return opened.ok() && opened.value().log->journal().Append(writes).ok() ? 0 : 1;
            }),
            0);
  uint64_t call = 0;
  for (int status = kEnded; status == kEnded;) {
    ++call;
    const std::string path = directory / std::to_string(call);
    std::filesystem::copy(base, path, std::filesystem::copy_options::recursive);
    const auto open = [&] {
      const Result<OpenedStorage> opened = OpenStorage(path, NodeOne(), options);
      if (!opened.ok()) std::fprintf(stderr, "%s\n", opened.error().c_str());
      return opened.ok() && opened.value().log->last_index() == consensus::Index(3) ? 0 : 1;
    };
    const auto open_and_end = [&] {
      return RunChild([&] {
        system_calls::EndProcessBefore(call, kEnded);
        return open();
      });
    };
    status = open_and_end();
    ASSERT_TRUE(status == kEnded || status == 0) << "before call " << call << ": " << status;
    ASSERT_NE(open_and_end(), 1) << "once more before call " << call;
    ASSERT_EQ(RunChild(open), 0) << "after call " << call;
    std::filesystem::remove_all(path);
  }
  EXPECT_GT(call, 10U);
}

// What is in the journal is acknowledged, so its name has to be durable before, whatever has become
// of the start that made it. Its bytes are, before it has that name.
TEST(InterruptedStart, TheJournalsNameIsDurableBeforeItIsUsed) {
  TemporaryDirectory directory;
  int made = 0;
  uint64_t call = 0;
  for (int status = kEnded; status == kEnded;) {
    ++call;
    const std::string path = directory / std::to_string(call);
    status = OpenAndEndBefore(path, call);
    const std::string journal = path + "/log/journal";
    if (!std::filesystem::exists(journal)) continue;
    ++made;
    EXPECT_EQ(std::filesystem::file_size(journal), LogStore::Options().journal_bytes);
    EXPECT_EQ(RunChild([&] {
                system_calls::Record(path + "/log");
                if (OpenFresh(path) != 0) return 1;
                const std::vector<system_calls::Event> events = system_calls::TakeRecord();
                struct stat folder;
                if (stat((path + "/log").c_str(), &folder) != 0) return 2;
                return std::ranges::any_of(events,
                                           [&](const system_calls::Event& event) {
                                             return event.kind ==
                                                        system_calls::Event::Kind::kSync &&
                                                    event.file == folder.st_ino;
                                           })
                           ? 0
                           : 3;
              }),
              0)
        << "after call " << call;
    EXPECT_FALSE(std::filesystem::exists(journal + ".new"));
  }
  EXPECT_GT(made, 2);
}

TEST(InterruptedStart, ManyTimesInARow) {
  const uint64_t seed = TestSeed(1);
  SCOPED_TRACE("QUORATE_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  for (uint64_t round = 0; round < TestRounds(20); ++round) {
    TemporaryDirectory directory;
    const std::string path = directory / "data";
    int status = kEnded;
    for (int starts = 0; status == kEnded; ++starts) {
      ASSERT_LT(starts, 1000);
      status = OpenAndEndBefore(path, 1 + random.Below(40));
    }
    ASSERT_EQ(status, 0);
  }
}

}  // namespace
}  // namespace quorate::storage
