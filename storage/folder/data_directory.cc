#include "storage/folder/data_directory.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "consensus/configuration.h"
#include "consensus/founding.h"
#include "storage/base/file_system.h"
#include "storage/base/folder_parts.h"
#include "storage/folder/folder_making.h"
#include "storage/folder/folder_recovery.h"

namespace quorate::storage {
namespace {

using consensus::Index;
using consensus::Recovered;
using consensus::Term;
using consensus::TermRun;

// Log and state are made in this order, so a first start has three stages: none of both, a log
// without a vote or an entry, and both.
struct Parts {
  bool log = false;
  bool state = false;
};

Result<Parts> FindParts(const FolderParts& paths) {
  const Result<bool> log = Exists(paths.log);
  if (!log.ok()) return Error{log.error()};
  const Result<bool> state = Exists(paths.state);
  if (!state.ok()) return Error{state.error()};
  return Parts{.log = log.value(), .state = state.value()};
}

bool SameOwner(const Identity& one, const Identity& other) {
  return one.cluster_id == other.cluster_id && one.node_id == other.node_id;
}

Term TermAt(const Recovered& recovered, Index index) {
  assert(recovered.base_index <= index);
  assert(index <= recovered.last_index);
  Term term = recovered.base_term;
  for (const TermRun& run : recovered.terms) {
    if (run.first <= index) term = run.term;
  }
  return term;
}

std::string Number(Index index) { return std::to_string(index.value()); }

// A snapshot was installed, or a backup restored, that the log does not lead to: the log ends
// before it, or went on otherwise there, with entries that were never committed. Where the log has
// the snapshot's last entry, what follows that stays (section 7).
bool IsToBeginAnew(const Recovered& recovered, const StateMeta& meta) {
  if (meta.snapshot_index == Index()) return false;
  // It was installed long ago: the log has followed it since.
  if (meta.last_applied > meta.snapshot_index) return false;
  if (meta.snapshot_index < recovered.base_index) return false;
  return meta.snapshot_index > recovered.last_index ||
         TermAt(recovered, meta.snapshot_index) != meta.snapshot_term;
}

// What of Recovered the state knows.
Status AddState(const std::string& directory, const StateMeta& meta, Recovered* recovered) {
  recovered->last_applied = meta.last_applied;
  recovered->origin_index = meta.origin_index;
  std::erase_if(recovered->configurations,
                [&](const auto& item) { return item.first <= meta.last_applied; });
  recovered->configuration_index = meta.configuration_index;
  if (!meta.founding.empty()) {
    const auto founding = consensus::DecodeFounding(meta.founding);
    if (!founding) {
      return Error{directory +
                   ": the state's founding record cannot be read: it was written by a " +
                   "newer version"};
    }
    // The log may have noted a later one, that the state has yet to apply.
    if (recovered->founding == consensus::FoundingId()) recovered->founding = founding->id;
  }
  if (meta.configuration.empty()) return Ok();
  auto configuration = consensus::DecodeConfiguration(meta.configuration);
  if (!configuration) return Error{directory + ": the state's members cannot be read"};
  recovered->configuration = std::move(*configuration);
  return Ok();
}

// The state must be what the log leads to somewhere between its ends.
Status CheckFit(const std::string& directory, const LogStore& log, const StateMeta& meta) {
  const Recovered& recovered = log.recovered();
  const Index applied = meta.last_applied;
  if (applied > recovered.last_index) {
    return Error{directory + ": the state has entries applied up to " + Number(applied) +
                 ", but the log ends at " + Number(recovered.last_index) +
                 ": the log is older than the state, or not its own"};
  }
  if (applied < recovered.base_index) {
    return Error{directory + ": the state has entries applied up to " + Number(applied) +
                 ", but the log begins only after " + Number(recovered.base_index) +
                 ": the state is older than the log, or not its own"};
  }
  const Result<consensus::Chain> chain = log.ChainAt(applied);
  if (!chain.ok()) return Error{chain.error()};
  if (TermAt(recovered, applied) != meta.last_applied_term ||
      chain.value() != meta.last_applied_chain) {
    return Error{directory + ": the state was made with another entry " + Number(applied) +
                 " than the log's: the two are not of one server"};
  }
  return Ok();
}

}  // namespace

Result<bool> HoldsData(const std::string& directory) {
  const FolderParts paths(directory);
  // The log is away for a moment while another identity is given to the folder.
  Result<bool> changes = Exists(paths.change);
  if (!changes.ok() || changes.value()) return changes;
  return Exists(paths.log);
}

Result<std::optional<Identity>> ReadIdentity(const std::string& directory,
                                             const StorageOptions& options) {
  const Result<bool> exists = Exists(directory);
  if (!exists.ok()) return Error{exists.error()};
  if (!exists.value()) return std::optional<Identity>();
  const Result<DirectoryLock> lock = DirectoryLock::Take(directory);
  if (!lock.ok()) return Error{lock.error()};
  const FolderParts paths(directory);
  if (Status done = TakeUpChanges(paths, options); !done.ok()) return Error{done.error()};
  const Result<Parts> parts = FindParts(paths);
  if (!parts.ok()) return Error{parts.error()};
  if (!parts.value().log) return std::optional<Identity>();
  Result<Identity> identity = LogStore::ReadIdentity(paths.log, LogOptions(options));
  if (!identity.ok()) return Error{identity.error()};
  return std::optional<Identity>(std::move(identity.value()));
}

Result<OpenedStorage> OpenStorage(const std::string& directory,
                                  const std::optional<Identity>& identity,
                                  const StorageOptions& options) {
  const Result<bool> exists = Exists(directory);
  if (!exists.ok()) return Error{exists.error()};
  if (!exists.value()) {
    if (!identity) return Error{directory + ": the folder does not exist"};
    if (Status made = MakeDirectory(directory); !made.ok()) return Error{made.error()};
  }
  Result<DirectoryLock> lock = DirectoryLock::Take(directory);
  if (!lock.ok()) return Error{lock.error()};

  const FolderParts paths(directory);
  if (Status done = TakeUpChanges(paths, options); !done.ok()) return Error{done.error()};
  const Result<Parts> parts = FindParts(paths);
  if (!parts.ok()) return Error{parts.error()};
  if (!parts.value().log && parts.value().state) {
    return Error{directory +
                 ": there is a state but no log: a server that has lost its log and with " +
                 "it its votes must not come back as the same member"};
  }
  if (!parts.value().log) {
    const Result<bool> restoring = Exists(paths.installing);
    if (!restoring.ok()) return Error{restoring.error()};
    if (restoring.value()) {
      return Error{directory +
                   ": a backup was being restored into this folder when that was interrupted: " +
                   "restore it again"};
    }
    if (!identity) return Error{directory + ": the folder holds no data"};
    if (Status made = MakeLog(paths, *identity, options); !made.ok()) return Error{made.error()};
  }

  auto log = LogStore::Open(paths.log, LogOptions(options));
  if (!log.ok()) return Error{log.error(), log.disk_full()};
  const Identity& found = log.value()->identity();
  if (identity && !SameOwner(found, *identity)) {
    return Error{directory + ": the folder belongs to " + Describe(found) + ", not to " +
                 Describe(*identity)};
  }
  if (!parts.value().state) {
    if (!log.value()->pristine()) {
      return Error{directory +
                   ": there is a log but no state: the entries that the state was made " +
                   "of are no longer all in the log"};
    }
    if (Status made = MakeState(paths, found, options); !made.ok()) return Error{made.error()};
  }

  auto state = LmdbStateStore::Open(paths.state, StateOptions(options));
  if (!state.ok()) return Error{state.error()};
  if (!SameOwner(state.value()->identity(), found)) {
    return Error{directory + ": the log belongs to " + Describe(found) + ", but the state to " +
                 Describe(state.value()->identity())};
  }
  const StateMeta& meta = state.value()->meta();
  const bool log_begun_anew = IsToBeginAnew(log.value()->recovered(), meta);
  if (log_begun_anew) {
    Status begun =
        log.value()->BeginAnew(meta.snapshot_index, meta.snapshot_term, meta.snapshot_chain);
    if (!begun.ok()) return Error{begun.error(), begun.disk_full()};
  }
  if (Status fits = CheckFit(directory, *log.value(), meta); !fits.ok()) return Error{fits.error()};
  Recovered recovered = log.value()->recovered();
  if (Status added = AddState(directory, meta, &recovered); !added.ok()) {
    return Error{added.error()};
  }
  recovered.joined = found.joined;

  // What the run before has renamed or removed here may not have reached the disk: a decision that
  // was carried out must not come back after a power cut, and be carried out again.
  if (Status sure = SyncDirectory(directory); !sure.ok()) return Error{sure.error()};
  if (Status sure = log.value()->StartJournal(); !sure.ok()) {
    return Error{sure.error(), sure.disk_full()};
  }
  if (Status sure = state.value()->ConfirmDurable(); !sure.ok()) {
    return Error{sure.error(), sure.disk_full()};
  }
  return OpenedStorage{.lock = std::move(lock.value()),
                       .identity = found,
                       .first_start = !parts.value().state,
                       .log_begun_anew = log_begun_anew,
                       .log = std::move(log.value()),
                       .state = std::move(state.value()),
                       .recovered = std::move(recovered)};
}

}  // namespace quorate::storage
