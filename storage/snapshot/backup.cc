#include "storage/snapshot/backup.h"

#include <atomic>
#include <cassert>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

#include "storage/base/file_system.h"
#include "storage/base/thread_name.h"
#include "storage/keyspace/record.h"
#include "storage/keyspace/row_key.h"
#include "storage/keyspace/row_totals.h"
#include "storage/keyspace/snapshot_rows.h"
#include "storage/snapshot/backup_file.h"

namespace quorate::storage {
namespace {

// Where a backup is until it is complete.
std::string UnfinishedPath(const std::string& path) { return path + ".new"; }

// Why one of the rows cannot be read.
std::optional<Unreadable> AddUp(std::string_view rows, RowTotals* totals) {
  SnapshotRowReader reader(rows);
  while (const std::optional<SnapshotRow> row = reader.Next()) {
    const Row& content = row->content;
    totals->Add(DatabaseOfRow(row->row_key), content.record.header,
                RecordDigest(content.key, content.record));
  }
  return reader.unreadable();
}

}  // namespace

struct BackupWriter::Work {
  Work(LmdbStateStore& from, std::string to, Options given)
      : path(std::move(to)),
        unfinished(UnfinishedPath(path)),
        options(std::move(given)),
        snapshot(from.OpenSnapshot()),
        thread([this] { Run(); }) {}

  void Run();
  Result<StateMeta> Write();

  const std::string path;
  const std::string unfinished;
  const Options options;
  const Result<LmdbSnapshot> snapshot;
  std::atomic<bool> given_up{false};

  std::mutex mutex;
  std::optional<Result<StateMeta>> finished;

  std::thread thread;
};

void BackupWriter::Work::Run() {
  NameThisThread("backup");
  Result<StateMeta> written = Write();
  if (!written.ok()) {
    // Most errors are of a full disk. One that cannot be removed is written over by the next.
    [[maybe_unused]] const Status removed = RemoveFile(unfinished);
  }
  {
    const std::lock_guard lock(mutex);
    finished.emplace(std::move(written));
  }
  if (options.wake && !given_up) options.wake();
}

Result<StateMeta> BackupWriter::Work::Write() {
  if (!snapshot.ok()) return Error{snapshot.error()};
  const StateMeta& meta = snapshot.value().meta();
  auto file = BackupFileWriter::Create(unfinished, meta);
  if (!file.ok()) return Error{file.error()};
  RowTotals totals;
  SnapshotChunk chunk;
  while (!chunk.last) {
    Result<SnapshotChunk> next = snapshot.value().Read(chunk.last_key, given_up);
    if (!next.ok()) return Error{next.error()};
    if (given_up) return Error{path + ": the backup was given up"};
    chunk = std::move(next.value());
    if (chunk.rows.empty()) break;
    [[maybe_unused]] const auto unreadable = AddUp(chunk.rows, &totals);
    assert(!unreadable);  // Read has looked at each row
    if (Status added = file.value()->Add(chunk.rows); !added.ok()) return Error{added.error()};
  }
  // Each row is intact, but a damaged page may have hidden some: the last backup has those.
  if (!totals.AreOf(meta)) {
    return Error{path +
                 ": the backup was not made, since the checkpoint is damaged: its rows are "
                 "not those it was made of"};
  }
  if (Status ended = file.value()->Finish(); !ended.ok()) return Error{ended.error()};
  if (Status named = Rename(unfinished, path); !named.ok()) return Error{named.error()};
  return meta;
}

BackupWriter::BackupWriter(LmdbStateStore& store, std::string path, Options options)
    : work_(std::make_unique<Work>(store, std::move(path), std::move(options))) {}

BackupWriter::~BackupWriter() {
  work_->given_up = true;
  work_->thread.join();
}

std::optional<Result<StateMeta>> BackupWriter::TakeFinished() {
  const std::lock_guard lock(work_->mutex);
  return std::exchange(work_->finished, std::nullopt);
}

Status RemoveUnfinishedBackup(const std::string& path) { return RemoveFile(UnfinishedPath(path)); }

Result<StateMeta> ReadBackupMeta(const std::string& path) {
  auto reader = BackupReader::Open(path);
  if (!reader.ok()) return Error{reader.error()};
  return reader.value()->meta();
}

Result<StateMeta> VerifyBackup(const std::string& path) {
  auto reader = BackupReader::Open(path);
  if (!reader.ok()) return Error{reader.error()};
  RowTotals totals;
  while (true) {
    const Result<std::optional<std::string>> rows = reader.value()->Next();
    if (!rows.ok()) return Error{rows.error()};
    if (!rows.value()) break;
    if (const auto why = AddUp(*rows.value(), &totals)) {
      return Error{
          path + ": a row behind the first " + std::to_string(totals.key_count()) + " " +
          (*why == Unreadable::kNewer ? kWrittenByNewer : "is damaged: its checksum is wrong")};
    }
  }
  const StateMeta& meta = reader.value()->meta();
  if (!totals.AreOf(meta)) {
    return Error{path + ": the rows are not those that the backup was made of"};
  }
  return meta;
}

}  // namespace quorate::storage
