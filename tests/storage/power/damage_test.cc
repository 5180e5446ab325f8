// Data files that something has damaged: a bit that has flipped, a page that is lost, swapped or
// old. The server stops and says why; it never goes on with less than it had, or with something
// else.

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "storage/keyspace/database_view.h"
#include "tests/storage/checkpoint/state_fixture.h"
#include "tests/storage/log/log_fixture.h"
#include "tests/storage/support/child_process.h"
#include "tests/storage/support/random.h"

namespace quorate::storage {
namespace {

using consensus::Entry;
using consensus::Index;

constexpr size_t kPageBytes = 4096;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// Changes the first byte of the only place in the file where `text` is.
void Damage(const std::string& path, const std::string& text) {
  std::string bytes = ReadFile(path);
  const size_t at = bytes.find(text);
  ASSERT_NE(at, std::string::npos);
  ASSERT_EQ(bytes.find(text, at + 1), std::string::npos);
  bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
  WriteFile(path, bytes);
}

#define EXPECT_CONTAINS(text, part) \
  EXPECT_NE(std::string(text).find(part), std::string::npos) << (text)

TEST(Damage, OfALogEntryIsNamedAndRefused) {
  TemporaryDirectory directory;
  const std::string path = directory / "log";
  std::string file;
  {
    auto log = MakeLog(path);
    std::vector<Entry> entries = MakeEntries(1, 20, 1, 100);
    entries.push_back(MakeEntry(21, 1, std::string(10'000, 'x') + "needle" + std::string(99, 'y')));
    ASSERT_TRUE(log->Commit(std::vector{MakeWrite(1, entries)}, std::nullopt).ok());
    file = log->file();
  }
  const std::string intact = ReadFile(file);
  for (const auto& [text, index] : {std::pair("13@1;", "13"), std::pair("needle", "21")}) {
    Damage(file, text);
    const auto opened = LogStore::Open(path, {});
    ASSERT_FALSE(opened.ok());
    EXPECT_CONTAINS(opened.error(), file + ": log entry " + index + " is damaged");
    EXPECT_CONTAINS(opened.error(), "not shortened");
    WriteFile(file, intact);
  }
  EXPECT_EQ(OpenLog(path)->last_index(), Index(21));
}

// Damage that comes while the server runs: it is found by whoever reads the entry.
TEST(Damage, OfALogEntryEndsTheProcessThatReadsIt) {
  TemporaryDirectory directory;
  const std::string path = directory / "log";
  {
    auto log = MakeLog(path);
    ASSERT_TRUE(
        log->Commit(std::vector{MakeWrite(1, MakeEntries(1, 20, 1, 100))}, std::nullopt).ok());
  }
  const int status = RunChild([&] {
    LogStore::Options options;
    options.fatal = [&](const std::string& text) {
      const bool right = text.find("log/data.mdb: log entry 13 is damaged") != std::string::npos;
      _exit(right ? 7 : 8);
    };
    const auto log = OpenLog(path, options);
    // Through the page cache, which LMDB's map shows at once.
    Damage(log->file(), "13@1;");
    if (log->Read(Index(1), Index(12), 1 << 20).size() != 12) return 1;
    log->Read(Index(1), Index(20), 1 << 20);
    return 0;
  });
  EXPECT_EQ(status, 7);
}

TEST(Damage, OfARowEndsTheProcessThatReadsIt) {
  TemporaryDirectory directory;
  const std::string path = directory / "state";
  std::string file;
  {
    const auto state = MakeState(path);
    KeySpace keys(*state, {});
    Apply(keys, [&] { WriteView(keys, 0).PutString("good", "value"); });
    Apply(keys, [&] { WriteView(keys, 0).PutString("bad", "needle"); });
    Checkpointed(keys, *state);
    file = state->file();
  }
  Damage(file, "needle");
  {
    const auto state = OpenState(path);
    const Status verified = state->VerifyRows();
    ASSERT_FALSE(verified.ok());
    EXPECT_CONTAINS(verified.error(), file + ": the row with the key");
  }
  const auto read = [&](const std::function<void(const LmdbStateStore&)>& body) {
    return RunChild([&] {
      LmdbStateStore::Options options;
      options.fatal = [&](const std::string& text) {
        _exit(text.find("626164 (hexadecimal) is damaged") != std::string::npos ? 7 : 8);
      };
      const auto state = OpenState(path, options);
      if (state->Find(DatabaseId{}, "good")->value != "value" || state->Find(DatabaseId{}, "none"))
        return 1;
      body(*state);
      return 0;
    });
  };
  EXPECT_EQ(read([](const LmdbStateStore& state) { state.Find(DatabaseId{}, "bad"); }), 7);
}

// A file that was cut short: LMDB alone would die of a bus error.
TEST(Damage, OfACutFileIsRefused) {
  TemporaryDirectory directory;
  const std::string path = directory / "log";
  std::string file;
  {
    auto log = MakeLog(path);
    Chains chains;
    for (uint64_t index = 1; index <= 50; ++index) {
      ASSERT_TRUE(
          log->Commit(
                 std::vector{chains.Link(MakeWrite(index, MakeEntries(index, index, 1, 9000)))}, {})
              .ok());
    }
    file = log->file();
  }
  const std::string intact = ReadFile(file);
  Random random(TestSeed(1));
  for (uint64_t round = 0; round < TestRounds(100); ++round) {
    const size_t pages = random.Below(intact.size() / kPageBytes - 1);
    WriteFile(file, intact.substr(0, pages * kPageBytes));
    // LMDB itself ends the process in some of these cases.
    const int status = RunChild([&] {
      MayEndBySignal(10);
      return LogStore::Open(path, {}).ok() ? 0 : 1;
    });
    EXPECT_TRUE(status == 1 || status == -SIGABRT) << pages << " pages: " << status;
  }
}

// The newer of LMDB's first two pages names the last commit. Without it there is still the one
// before.
TEST(Damage, DoesNotBringBackAnOldCommit) {
  TemporaryDirectory directory;
  const std::string path = directory / "log";
  std::string file;
  {
    auto log = MakeLog(path);
    Chains chains;
    for (uint64_t index = 1; index <= 5; ++index) {
      ASSERT_TRUE(
          log->Commit(std::vector{chains.Link(MakeWrite(index, MakeEntries(index, index, 1)))}, {})
              .ok());
    }
    file = log->file();
  }
  const std::string intact = ReadFile(file);
  int passed = 0;
  for (size_t page = 0; page < 2; ++page) {
    for (size_t bit = 0; bit < 64; ++bit) {
      std::string damaged = intact;
      char& byte = damaged[page * kPageBytes + 144 + bit / 8];
      byte = static_cast<char>(byte ^ (1 << bit % 8));
      WriteFile(file, damaged);
      if (LogStore::Open(path, {}).ok()) ++passed;
    }
  }
  // Of 6 after 5, the one bit that makes 4 before 5 cannot be told. 7 after 6 can: what lies there
  // says that the commit 5 has written it.
  EXPECT_EQ(passed, 1);
}

// What a log gives when it opens: hard state, ends, and every entry.
std::string Print(const LogStore& log) {
  const consensus::Recovered& recovered = log.recovered();
  std::string text = std::to_string(recovered.hard_state.current_term.value()) + "," +
                     std::to_string(recovered.hard_state.voted_for.value()) + "," +
                     std::to_string(recovered.base_index.value()) + ",";
  for (const Entry& entry : ReadAll(log)) {
    text += std::to_string(entry.index.value()) + "@" + std::to_string(entry.term.value()) + ":" +
            std::string(entry.payload.bytes()) + ",";
  }
  return text;
}

void DamageAnywhere(Random& random, const std::vector<std::string>& earlier, std::string* bytes) {
  const size_t pages = bytes->size() / kPageBytes;
  const size_t page = random.Below(pages);
  char* at = bytes->data() + page * kPageBytes;
  switch (random.Below(6)) {
    case 0:
    case 1: {  // one bit, somewhere where there is something
      size_t byte = random.Below(bytes->size());
      for (int tries = 0; tries < 100 && (*bytes)[byte] == 0; ++tries) {
        byte = random.Below(bytes->size());
      }
      (*bytes)[byte] = static_cast<char>((*bytes)[byte] ^ (1 << random.Below(8)));
      break;
    }
    case 2:  // in a page's header or its list of offsets
      at[random.Below(64)] = static_cast<char>(random.Below(256));
      break;
    case 3:  // a write that never came
      std::fill(at, at + kPageBytes, '\0');
      break;
    case 4:  // a write that went elsewhere
      std::copy(at, at + kPageBytes, bytes->data() + random.Below(pages) * kPageBytes);
      break;
    default: {  // a page as it was some commits ago
      const std::string& old = earlier[random.Below(earlier.size())];
      if (old.size() >= (page + 1) * kPageBytes) {
        std::copy_n(old.data() + page * kPageBytes, kPageBytes, at);
      }
    }
  }
}

// Whatever is damaged: the log opens with all that was in it, or it does not open. LMDB was not
// made for damaged files: it may also end the process, or never come to an end.
TEST(Damage, AnywhereNeverChangesTheLogUnnoticed) {
  const uint64_t seed = TestSeed(4);
  SCOPED_TRACE("QUORATE_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  TemporaryDirectory directory;
  const std::string path = directory / "log";
  std::vector<std::string> earlier;
  std::string expected;
  std::string file;
  {
    auto log = MakeLog(path);
    file = log->file();
    Chains chains;
    uint64_t term = 1;
    for (uint64_t seq = 1; seq <= 150; ++seq) {
      uint64_t next = log->last_index().value() + 1;
      std::optional<uint64_t> truncate_from;
      if (random.OneIn(20)) {
        ++term;
        if (log->last_index() > log->base_index() + 2) truncate_from = next = next - 2;
      }
      const std::vector<Entry> entries =
          MakeEntries(next, next + random.Below(5), term, random.OneIn(10) ? 9000 : 100);
      std::optional<Index> trim_to;
      if (log->last_index() > Index(150)) trim_to = log->last_index() - 140;
      ASSERT_TRUE(
          log->Commit(std::vector{chains.Link(MakeWrite(seq, entries, truncate_from))}, trim_to)
              .ok());
      if (seq % 10 == 0) earlier.push_back(ReadFile(file));
    }
    log.reset();
    log = OpenLog(path);
    expected = Print(*log);
  }
  const std::string intact = ReadFile(file);
  std::map<int, int> outcomes;
  for (uint64_t round = 0; round < TestRounds(600); ++round) {
    std::string damaged = intact;
    for (uint64_t count = 1 + random.Below(2); count > 0; --count) {
      DamageAnywhere(random, earlier, &damaged);
    }
    WriteFile(file, damaged);
    const int status = RunChild([&] {
      MayEndBySignal(10);
      const auto opened = LogStore::Open(path, {.fatal = [](const std::string&) { _exit(1); }});
      if (!opened.ok()) return 1;
      return Print(*opened.value()) == expected ? 0 : 2;
    });
    ASSERT_NE(status, 2) << "round " << round << ": the log has changed and nobody noticed";
    ASSERT_LE(status, 1) << "round " << round << ": a sanitizer has found something";
    ++outcomes[status];
  }
  // Most damage is found and reported in words, and some hits what is free or unused.
  EXPECT_GT(outcomes[0], 0);
  EXPECT_GT(outcomes[1], 0);
  for (const auto& [status, count] : outcomes) {
    RecordProperty("outcome " + std::to_string(status), count);
    std::printf("outcome %d: %d times\n", status, count);
  }
}

// What a state gives to whoever reads and writes it at once after its opening, while nothing has
// verified it in the background: each key's value, or that there is none.
class ImmediateReader {
 public:
  ImmediateReader(uint64_t seed, const std::map<std::string, std::string>& expected)
      : random_(seed), expected_(expected) {}

  // 0: all of it was right.
  int Run(LmdbStateStore& state) {
    KeySpace keys(state, {});
    if (keys.key_count() != expected_.size()) return 2;
    for (int round = 0; round < 4; ++round) {
      for (int count = 0; count < 150; ++count) {
        if (!IsRight(keys, AnyKey())) return 2;
      }
      for (int count = 0; count < 60; ++count) Write(keys);
      if (!state.Write(keys.BeginCheckpoint()).ok()) return 1;
      keys.CheckpointFinished();
    }
    uint64_t count = 0;
    for (int number = 0; number < kKeys; ++number) {
      if (!IsRight(keys, Key(number))) return 2;
      if (expected_.contains(Key(number))) ++count;
    }
    return keys.key_count() == count ? 0 : 2;
  }

  static std::string Key(int number) { return "key:" + std::to_string(number); }
  static constexpr int kKeys = 1500;

 private:
  std::string AnyKey() { return Key(static_cast<int>(random_.Below(kKeys))); }
  bool IsRight(const KeySpace& keys, const std::string& key) {
    const auto expected = expected_.find(key);
    const std::optional<RecordView> found = keys.Find(0, key);
    if (expected == expected_.end()) return !found;
    return found && found->value == expected->second;
  }
  void Write(KeySpace& keys) {
    const std::string key = AnyKey();
    Apply(keys, [&] {
      if (random_.OneIn(3)) {
        keys.Delete(0, key);
        expected_.erase(key);
      } else {
        expected_[key] = random_.Bytes(random_.Below(100));
        WriteView(keys, 0).PutString(key, expected_[key]);
      }
    });
  }

  Random random_;
  std::map<std::string, std::string> expected_;
};

// Whatever is damaged: the state gives what was in it, or ends the process. A background
// verification, which would find most of this a moment later, is held back.
TEST(Damage, AnywhereIsNeverReadFromTheState) {
  const uint64_t seed = TestSeed(5);
  SCOPED_TRACE("QUORATE_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  TemporaryDirectory directory(TemporaryDirectory::Fast());
  const std::string path = directory / "state";
  std::vector<std::string> earlier;
  std::map<std::string, std::string> expected;
  std::string file;
  {
    const auto state = MakeState(path);
    file = state->file();
    KeySpace keys(*state, {});
    for (int round = 0; round < 12; ++round) {
      for (int count = 0; count < 500; ++count) {
        const std::string key =
            ImmediateReader::Key(static_cast<int>(random.Below(ImmediateReader::kKeys)));
        Apply(keys, [&] {
          if (random.OneIn(4)) {
            keys.Delete(0, key);
            expected.erase(key);
          } else {
            expected[key] = random.Bytes(random.OneIn(30) ? 5000 : random.Below(200));
            WriteView(keys, 0).PutString(key, expected[key]);
          }
        });
      }
      Checkpointed(keys, *state);
      earlier.push_back(ReadFile(file));
    }
  }
  earlier.pop_back();
  const std::string intact = ReadFile(file);
  std::map<int, int> outcomes;
  for (uint64_t round = 0; round < TestRounds(600); ++round) {
    std::string damaged = intact;
    for (uint64_t count = 1 + random.Below(2); count > 0; --count) {
      DamageAnywhere(random, earlier, &damaged);
    }
    WriteFile(file, damaged);
    const int status = RunChild([&] {
      MayEndBySignal(10);
      if (!std::freopen("/dev/null", "w", stderr)) std::abort();
      const auto opened =
          LmdbStateStore::Open(path, {.fatal = [](const std::string&) { _exit(1); }});
      if (!opened.ok()) return 1;
      return ImmediateReader(seed + round, expected).Run(*opened.value());
    });
    ASSERT_NE(status, 2) << "round " << round << ": the state has changed and nobody noticed";
    ASSERT_LE(status, 1) << "round " << round << ": a sanitizer has found something";
    ++outcomes[status];
  }
  EXPECT_GT(outcomes[0], 0);
  EXPECT_GT(outcomes[1], 0);
  for (const auto& [status, count] : outcomes) {
    RecordProperty("outcome " + std::to_string(status), count);
    std::printf("outcome %d: %d times\n", status, count);
  }
}

}  // namespace
}  // namespace quorate::storage
