// Changes of a folder that end suddenly, at each of their steps, with the process or with the
// power: afterwards the folder is as it was or as it was to be, never anything between.

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>

#include "consensus/configuration.h"
#include "storage/snapshot/backup.h"
#include "tests/storage/power/disk_model.h"
#include "tests/storage/snapshot/snapshot_fixture.h"
#include "tests/storage/support/child_process.h"
#include "tests/storage/support/system_calls.h"

namespace quorate::storage {
namespace {

namespace fs = std::filesystem;
using consensus::HardState;
using consensus::Index;
using consensus::NodeId;
using consensus::Persist;
using consensus::Term;

constexpr int kEnded = 42;
constexpr int kOld = 50;
constexpr int kNew = 51;
constexpr int kWrong = 52;
constexpr int kNobodys = 53;

Identity Member() { return {.cluster_id = 0xabc, .node_id = NodeId(1), .members = "m"}; }
Identity Other() {
  return {.cluster_id = 0xdef, .node_id = NodeId(1), .members = "", .joined = true};
}

// A folder, and what is to be done to it.
struct Scenario {
  std::function<void(const std::string& path)> prepare;
  std::function<Status(const std::string& path)> change;
  // kOld, kNew or kWrong, after a start. A vote that was given since makes no difference.
  std::function<int(const std::string& path)> look;
};

int Report(const std::string& error) {
  std::fprintf(stderr, "%s\n", error.c_str());
  return kWrong;
}

// How often the change was interrupted with the folder as it was, and as it was to be.
struct Outcomes {
  uint64_t calls = 0;
  uint64_t old = 0;
  uint64_t changed = 0;
};

Outcomes InterruptEverywhere(const Scenario& scenario) {
  Outcomes outcomes;
  TemporaryDirectory directory(TemporaryDirectory::Fast());
  const std::string prepared = directory / "prepared";
  EXPECT_EQ(RunChild([&] {
              scenario.prepare(prepared);
              return testing::Test::HasFailure() ? 1 : 0;
            }),
            0);
  bool was_changed = false;
  for (int status = kEnded; status == kEnded;) {
    const std::string path = directory / std::to_string(++outcomes.calls);
    fs::copy(prepared, path, fs::copy_options::recursive);
    status = RunChild([&] {
      system_calls::EndProcessBefore(outcomes.calls, kEnded);
      const Status changed = scenario.change(path);
      return changed.ok() ? 0 : Report(changed.error());
    });
    EXPECT_TRUE(status == kEnded || status == 0) << "call " << outcomes.calls << ": " << status;
    // The start after it is interrupted as well, somewhere; then two that are not.
    for (const uint64_t call : {outcomes.calls % 23 + 1, uint64_t{0}, uint64_t{0}}) {
      const int found = RunChild([&] {
        system_calls::EndProcessBefore(call, kEnded);
        return scenario.look(path);
      });
      if (call != 0 && found == kEnded) continue;
      EXPECT_TRUE(found == kOld || found == kNew) << "call " << outcomes.calls << ": " << found;
      if (call != 0) continue;
      // Once decided, always decided.
      EXPECT_TRUE(found == kNew || !was_changed) << "call " << outcomes.calls;
      if (found == kNew) {
        was_changed = true;
        ++outcomes.changed;
      } else {
        ++outcomes.old;
      }
    }
    fs::remove_all(path);
    if (testing::Test::HasFailure()) return outcomes;
  }
  return outcomes;
}

// Of a term that no scenario comes to.
const HardState kVote{Term(1000), NodeId(1)};

// Starts on the folder and gives a vote there, which is acknowledged at the mark. 0: done;
// kNobodys: the folder is still to become somebody's.
int Vote(const std::string& path) {
  const Result<std::optional<Identity>> identity = ReadIdentity(path, SmallJournal());
  if (!identity.ok()) return Report(identity.error());
  if (!identity.value()) return kNobodys;
  const Result<OpenedStorage> opened = OpenStorage(path, std::nullopt, SmallJournal());
  if (!opened.ok()) return Report(opened.error());
  Persist vote;
  vote.hard_state = kVote;
  if (Status voted = opened.value().log->journal().Append({&vote, 1}); !voted.ok()) {
    return Report(voted.error());
  }
  system_calls::Mark();
  return 0;
}

bool HasVote(const std::string& path) {
  const Result<OpenedStorage> opened = OpenStorage(path, std::nullopt, SmallJournal());
  return opened.ok() && opened.value().recovered.hard_state == kVote;
}

// As InterruptEverywhere, but the power fails, and what was not synced may be gone. And a vote that
// is given in the changed folder is not taken back: not with the change, nor by carrying it out
// once more.
void CutPowerEverywhere(const Scenario& scenario) {
  const uint64_t seed = TestSeed(7);
  SCOPED_TRACE("QUORATE_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  TemporaryDirectory directory(TemporaryDirectory::Fast());
  const std::string disk_path = directory / "disk";
  const std::string data = disk_path + "/data";
  const std::string cut = directory / "cut";
  fs::create_directory(disk_path);
  ASSERT_EQ(RunChild([&] {
              scenario.prepare(data);
              return testing::Test::HasFailure() ? 1 : 0;
            }),
            0);
  fs::copy(disk_path, directory / "prepared", fs::copy_options::recursive);
  DiskModel disk(disk_path);
  system_calls::Record(disk_path);
  ASSERT_EQ(RunChild([&] {
              const Status changed = scenario.change(data);
              if (!changed.ok()) return Report(changed.error());
              system_calls::Mark();
              return Vote(data);
            }),
            0);
  const std::vector<system_calls::Event> events = system_calls::TakeRecord();
  int marks = 0;
  for (size_t count = 0; count <= events.size(); ++count) {
    const system_calls::Event* under_way = count < events.size() ? &events[count] : nullptr;
    for (int image = 0; image < 3; ++image) {
      disk.CutPower(cut, under_way, random);
      const int found = scenario.look(cut + "/data");
      ASSERT_TRUE(marks < 2 || HasVote(cut + "/data")) << "cut before event " << count;
      ASSERT_TRUE(found == kNew || (found == kOld && marks == 0))
          << "cut before event " << count << ": " << found;
    }
    if (under_way == nullptr) break;
    if (under_way->kind == system_calls::Event::Kind::kMark) ++marks;
    disk.Apply(*under_way);
  }
  ASSERT_EQ(marks, 2);

  // The process ends in the middle of the change, the next start goes on with what the first has
  // left in the page cache, and then the power fails.
  int status = kEnded;
  for (uint64_t call = 1; status == kEnded; ++call) {
    fs::remove_all(disk_path);
    fs::copy(directory / "prepared", disk_path, fs::copy_options::recursive);
    DiskModel again(disk_path);
    system_calls::Record(disk_path);
    status = RunChild([&] {
      system_calls::EndProcessBefore(call, kEnded);
      return scenario.change(data).ok() ? 0 : kWrong;
    });
    ASSERT_TRUE(status == kEnded || status == 0) << "call " << call << ": " << status;
    const int voted = RunChild([&] { return Vote(data); });
    for (const system_calls::Event& event : system_calls::TakeRecord()) again.Apply(event);
    if (voted == kNobodys) continue;
    ASSERT_EQ(voted, 0) << "call " << call;
    for (int image = 0; image < 4; ++image) {
      again.CutPower(cut, nullptr, random);
      ASSERT_TRUE(HasVote(cut + "/data")) << "call " << call;
    }
  }
}

TEST(InterruptedChange, ASnapshotIsInstalledOrNot) {
  TemporaryDirectory directory;
  const Sender sender(directory / "sender", 200, 2);
  const Scenario scenario{
      .prepare =
          [&](const std::string& path) {
            Result<OpenedStorage> opened = OpenStorage(path, Member(), SmallJournal());
            ASSERT_TRUE(opened.ok()) << opened.error();
            const auto write = MakeWrite(1, MakeEntries(1, 10, 1));
            ASSERT_TRUE(opened.value().log->Commit(std::vector{write}, std::nullopt).ok());
            ApplyEntries(opened.value(), 10, 1, 5);
            ASSERT_EQ(Receive(opened.value(), path, sender), "");
          },
      .change =
          [&](const std::string& path) {
            // It was received before: the way to the start, which begins the log anew.
            if (Status installed = InstallIncoming(path, SmallJournal()); !installed.ok())
              return installed;
            const Result<OpenedStorage> opened = OpenStorage(path, Member(), SmallJournal());
            return opened.ok() ? Ok() : Status(Error{opened.error()});
          },
      .look =
          [&](const std::string& path) {
            const Result<OpenedStorage> opened = OpenStorage(path, Member(), SmallJournal());
            if (!opened.ok()) return Report(opened.error());
            const OpenedStorage& storage = opened.value();
            if (!storage.state->VerifyRows().ok()) return kWrong;
            const consensus::Recovered& recovered = storage.recovered;
            if (recovered.last_applied == Index(10) && recovered.last_index == Index(10) &&
                ReadAll(*storage.log).size() == 10) {
              return kOld;
            }
            return recovered.base_index == Index(200) && recovered.last_applied == Index(200) &&
                           storage.state->meta().digest() == sender.meta.digest()
                       ? kNew
                       : kWrong;
          }};
  const Outcomes outcomes = InterruptEverywhere(scenario);
  EXPECT_GT(outcomes.calls, 10U);
  EXPECT_GT(outcomes.old, 0U);
  EXPECT_GT(outcomes.changed, 10U);
  // With the transfer: what has arrived is on the disk before it can be installed.
  Scenario received = scenario;
  received.prepare = [&](const std::string& path) {
    Result<OpenedStorage> opened = OpenStorage(path, Member(), SmallJournal());
    ASSERT_TRUE(opened.ok()) << opened.error();
    const auto write = MakeWrite(1, MakeEntries(1, 10, 1));
    ASSERT_TRUE(opened.value().log->Commit(std::vector{write}, std::nullopt).ok());
    ApplyEntries(opened.value(), 10, 1, 5);
  };
  received.change = [&](const std::string& path) -> Status {
    {
      Result<OpenedStorage> opened = OpenStorage(path, Member(), SmallJournal());
      if (!opened.ok()) return Error{opened.error()};
      if (std::string error = Receive(opened.value(), path, sender); !error.empty()) {
        return Error{std::move(error)};
      }
    }
    return scenario.change(path);
  };
  CutPowerEverywhere(received);
}

TEST(InterruptedChange, AnIdentityIsAdoptedOrNot) {
  const Scenario scenario{.prepare =
                              [](const std::string& path) {
                                ASSERT_TRUE(OpenStorage(path, Member(), SmallJournal()).ok());
                              },
                          .change =
                              [](const std::string& path) {
                                return AdoptIdentity(path, Other(), false, SmallJournal());
                              },
                          .look =
                              [](const std::string& path) {
                                const Result<OpenedStorage> opened =
                                    OpenStorage(path, std::nullopt, SmallJournal());
                                if (!opened.ok()) return Report(opened.error());
                                const OpenedStorage& storage = opened.value();
                                if (storage.log->last_index() != Index()) return kWrong;
                                if (storage.state->meta() != StateMeta()) return kWrong;
                                if (storage.identity == Member()) return kOld;
                                return storage.identity == Other() ? kNew : kWrong;
                              }};
  const Outcomes outcomes = InterruptEverywhere(scenario);
  EXPECT_GT(outcomes.old, 5U);
  EXPECT_GT(outcomes.changed, 20U);
  CutPowerEverywhere(scenario);
}

TEST(InterruptedChange, ANewClusterIsFoundedOrNot) {
  const Scenario scenario{
      .prepare =
          [](const std::string& path) {
            Result<OpenedStorage> opened = OpenStorage(path, Member(), SmallJournal());
            ASSERT_TRUE(opened.ok()) << opened.error();
            const auto write = MakeWrite(1, MakeEntries(1, 10, 1));
            ASSERT_TRUE(opened.value().log->Commit(std::vector{write}, std::nullopt).ok());
            ApplyEntries(opened.value(), 7, 1, 5);
          },
      .change =
          [](const std::string& path) {
            return ForceNewCluster(path, Other(), "here", SmallJournal());
          },
      .look =
          [](const std::string& path) {
            const Result<OpenedStorage> opened = OpenStorage(path, std::nullopt, SmallJournal());
            if (!opened.ok()) return Report(opened.error());
            const OpenedStorage& storage = opened.value();
            const size_t entries = ReadAll(*storage.log).size();
            if (storage.recovered.last_applied != Index(7)) return kWrong;
            if (storage.identity == Member()) return entries == 10 ? kOld : kWrong;
            // Two entries more, however often it was begun: the members, and the founding.
            return storage.identity == Other() && storage.state->identity() == Other() &&
                           entries == 12 && storage.recovered.configurations.size() == 1
                       ? kNew
                       : kWrong;
          }};
  const Outcomes outcomes = InterruptEverywhere(scenario);
  EXPECT_GT(outcomes.old, 5U);
  EXPECT_GT(outcomes.changed, 5U);
  CutPowerEverywhere(scenario);
}

// Whoever is interrupted restores again: until there is a log, the folder is nobody's.
TEST(InterruptedChange, ABackupIsRestoredOrNot) {
  TemporaryDirectory directory;
  const std::string backup = directory / "dump.quorate";
  StateMeta meta;
  {
    const Identity old{.cluster_id = 0x5, .node_id = NodeId(3), .members = ""};
    Result<OpenedStorage> opened = OpenStorage(directory / "source", old, SmallJournal());
    ASSERT_TRUE(opened.ok()) << opened.error();
    const auto write = MakeWrite(1, MakeEntries(1, 100, 4));
    ASSERT_TRUE(opened.value().log->Commit(std::vector{write}, std::nullopt).ok());
    ApplyEntries(opened.value(), 100, 4, 5);
    meta = opened.value().state->meta();
    Waker waker;
    BackupWriter writer(*opened.value().state, backup, {.wake = [&waker] { waker.Wake(); }});
    waker.WaitUntil([&] { return writer.TakeFinished().has_value(); });
  }
  const Scenario scenario{
      .prepare = [](const std::string& path) { fs::create_directory(path); },
      .change =
          [&](const std::string& path) {
            return RestoreInto(path, Member(), backup, SmallJournal());
          },
      .look =
          [&](const std::string& path) {
            const Result<std::optional<Identity>> identity = ReadIdentity(path, SmallJournal());
            if (!identity.ok()) return Report(identity.error());
            if (!identity.value()) {
              if (!fs::exists(path + "/state.installing")) return kOld;
              // Decided, and then interrupted: never an empty server where a full one was meant.
              const Result<OpenedStorage> opened = OpenStorage(path, Member(), SmallJournal());
              if (opened.ok()) return kWrong;
              return opened.error().find("restore it again") == std::string::npos ? kWrong : kOld;
            }
            const Result<OpenedStorage> opened = OpenStorage(path, Member(), SmallJournal());
            if (!opened.ok()) return Report(opened.error());
            const OpenedStorage& storage = opened.value();
            return storage.state->VerifyRows().ok() && storage.identity == Member() &&
                           storage.recovered.base_index == Index(100) &&
                           storage.state->meta().digest() == meta.digest()
                       ? kNew
                       : kWrong;
          }};
  const Outcomes outcomes = InterruptEverywhere(scenario);
  EXPECT_GT(outcomes.old, 10U);
  EXPECT_GT(outcomes.changed, 1U);
  // And again after each interruption.
  for (uint64_t call = 1; call <= outcomes.calls; ++call) {
    const std::string path = directory / "again";
    const int status = RunChild([&] {
      system_calls::EndProcessBefore(call, kEnded);
      return scenario.change(path).ok() ? 0 : kWrong;
    });
    ASSERT_TRUE(status == kEnded || status == 0) << call;
    ASSERT_EQ(RunChild([&] {
                const int found = scenario.look(path);
                if (found != kOld) return found;
                const Status restored = scenario.change(path);
                return restored.ok() ? scenario.look(path) : Report(restored.error());
              }),
              kNew)
        << call;
    fs::remove_all(path);
  }
  CutPowerEverywhere(scenario);
}

}  // namespace
}  // namespace quorate::storage
