// A stopped node's files, a thousand times damaged at random places, each time a little: bits that
// have flipped, and files that were cut. A start refuses and says why, or all is as it was.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "storage/folder/data_directory.h"
#include "storage/log/threaded_log_writer.h"
#include "tests/storage/log/log_fixture.h"
#include "tests/storage/support/child_process.h"
#include "tests/storage/support/inspector.h"
#include "tests/storage/support/random.h"
#include "tests/storage/support/temporary_directory.h"
#include "tests/storage/support/waker.h"
#include "tests/storage/support/workload.h"

namespace quorate::storage {
namespace {

using consensus::Index;
using consensus::Persist;
using consensus::PersistSeq;
using consensus::Term;

constexpr size_t kJournalBytes = 256 << 10;
constexpr size_t kBlockBytes = 4096;
constexpr int kRight = 0;
constexpr int kRefused = 1;
constexpr int kWrong = 2;

StorageOptions Options() {
  StorageOptions options;
  options.journal_bytes = kJournalBytes;
  options.fatal = [](const std::string&) { _exit(kRefused); };
  return options;
}

using Files = std::map<std::string, std::string>;  // by their path

// But for locks, in which there is nothing.
Files ReadFiles(const std::string& folder) {
  Files files;
  for (const auto& item : std::filesystem::recursive_directory_iterator(folder)) {
    const std::string path = item.path();
    if (!item.is_regular_file() || item.path().filename().string().find("lock") == 0) continue;
    std::ifstream file(path, std::ios::binary);
    files[path] = {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  return files;
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// What was done, for the message of a failure.
std::string DamageAtRandom(Random& random, std::string* bytes) {
  if (random.OneIn(6)) {
    size_t size = random.Below(bytes->size());
    if (random.OneIn(2)) size = size / kBlockBytes * kBlockBytes;
    bytes->resize(size);
    return "cut to " + std::to_string(size);
  }
  // Mostly somewhere where there is something.
  size_t at = random.Below(bytes->size());
  for (int tries = 0; tries < 100 && (*bytes)[at] == 0; ++tries) at = random.Below(bytes->size());
  const uint64_t bit = random.Below(8);
  (*bytes)[at] = static_cast<char>((*bytes)[at] ^ (1 << bit));
  return "bit " + std::to_string(bit) + " of byte " + std::to_string(at);
}

class DamagedFolder : public testing::Test {
 protected:
  // A node that has worked for a while and come to an orderly end: LMDB has everything.
  void Stop() {
    ASSERT_EQ(RunChild([&] {
                auto opened = OpenStorage(path_, WorkloadIdentity(), Options());
                if (!opened.ok()) return 1;
                Workload(opened.value(), *acknowledged_, {.seed = seed_, .steps = 400}).Run();
                return 0;
              }),
              0);
  }
  // And then to a sudden one, while its journal had what LMDB did not. Of the journal's last record
  // nothing was acknowledged: nobody can tell damage to it from a write that was interrupted.
  void StopAndKill() {
    Stop();
    ASSERT_EQ(RunChild([&] {
                auto opened = OpenStorage(path_, WorkloadIdentity(), Options());
                if (!opened.ok()) return 1;
                WriteToJournalOnly(opened.value());
                _exit(0);
                return 1;
              }),
              0);
  }

  void DamageAndStart(uint64_t rounds) {
    SCOPED_TRACE("QUORATE_TEST_SEED=" + std::to_string(seed_));
    const Files intact = ReadFiles(path_);
    ASSERT_EQ(intact.size(), 3U);  // log, journal, state
    Inspector inspector(*acknowledged_);
    inspector.OpenAndInspect(path_);
    Random random(seed_);
    std::map<int, int> outcomes;
    for (uint64_t round = 0; round < rounds; ++round) {
      Files files = intact;
      auto file = files.begin();
      std::advance(file, static_cast<long>(random.Below(files.size())));
      const std::string what = file->first + ": " + DamageAtRandom(random, &file->second);
      for (const auto& [path, bytes] : files) WriteFile(path, bytes);
      const int status = RunChild([&] { return Start(inspector); });
      ASSERT_NE(status, kWrong) << "round " << round << ": nobody noticed " << what;
      ASSERT_LE(status, kRefused) << "round " << round << ": a sanitizer does not like " << what;
      ++outcomes[status];
    }
    // LMDB was not made for damaged files: it also ends the process, or never comes to an end.
    EXPECT_GT(outcomes[kRight], 0);
    EXPECT_GT(outcomes[kRefused], 0);
    for (const auto& [status, count] : outcomes) {
      std::printf("outcome %d: %d times\n", status, count);
    }
  }

 private:
  void WriteToJournalOnly(OpenedStorage& storage) {
    const consensus::Recovered& recovered = storage.recovered;
    for (Index index(acknowledged_->committed + 1); index <= recovered.last_index; ++index) {
      for (const consensus::TermRun& run : recovered.terms) {
        if (run.first <= index) NoteTerm(index, run.term);
      }
    }
    const Term term = recovered.hard_state.current_term;
    Waker waker;
    ThreadedLogWriter::Options options;
    options.merger.merge_bytes = size_t{1} << 30;
    options.merger.merge_age_ms = 3'600'000;
    options.wake = [&] { waker.Wake(); };
    auto* writer = new ThreadedLogWriter(*storage.log, options);  // never comes to its end
    Index last = recovered.last_index;
    Chains chains(recovered);
    for (uint64_t seq = 1; seq <= 20; ++seq) {
      acknowledged_->committed = last.value();
      Persist write;
      write.seq = PersistSeq(seq);
      for (uint64_t count = 1 + seq % 4; count > 0; --count) {
        ++last;
        NoteTerm(last, term);
        write.entries.push_back(WorkloadEntry(last, term));
      }
      writer->Submit(chains.Link(std::move(write)));
      waker.WaitUntil([&] { return writer->durable() == PersistSeq(seq); });
    }
  }
  void NoteTerm(Index index, Term term) {
    acknowledged_->terms[index.value()] = static_cast<uint32_t>(term.value());
  }

  // In a process of its own, as a server does it; then all of it is looked at.
  int Start(Inspector& inspector) const {
    MayEndBySignal(20);
    if (!std::freopen("/dev/null", "w", stderr)) std::abort();
    const auto opened = OpenStorage(path_, WorkloadIdentity(), Options());
    if (!opened.ok()) return opened.error().empty() ? kWrong : kRefused;
    // What the server does in the background (state_verifier.h).
    if (!opened.value().state->VerifyRows().ok()) return kRefused;
    inspector.Inspect(opened.value());
    return testing::Test::HasFailure() ? kWrong : kRight;
  }

  const uint64_t seed_ = TestSeed(11);
  TemporaryDirectory directory_{TemporaryDirectory::Fast()};
  const std::string path_ = directory_ / "data";
  const Shared<Acknowledged> acknowledged_;
};

TEST_F(DamagedFolder, AfterAnOrderlyEnd) {
  ASSERT_NO_FATAL_FAILURE(Stop());
  DamageAndStart(TestRounds(500));
}

TEST_F(DamagedFolder, AfterASuddenEnd) {
  ASSERT_NO_FATAL_FAILURE(StopAndKill());
  DamageAndStart(TestRounds(500));
}

}  // namespace
}  // namespace quorate::storage
