#include "storage/data_directory.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "storage/file_system.h"

namespace quorate::storage {
namespace {

using consensus::Index;
using consensus::Recovered;
using consensus::Term;
using consensus::TermRun;

// The names of the folder's parts. Each is made complete under its name for the making and then
// renamed, the log first. So there are three stages: none of both, a log without a vote or an
// entry, and both.
struct Paths {
  explicit Paths(const std::string& directory)
      : log(directory + "/log"),
        state(directory + "/state"),
        new_log(directory + "/log.new"),
        new_state(directory + "/state.new") {}

  std::string log;
  std::string state;
  std::string new_log;
  std::string new_state;
};

struct Parts {
  bool log = false;
  bool state = false;
};

Result<Parts> FindParts(const Paths& paths) {
  const Result<bool> log = Exists(paths.log);
  if (!log.ok()) return Error{log.error()};
  const Result<bool> state = Exists(paths.state);
  if (!state.ok()) return Error{state.error()};
  return Parts{.log = log.value(), .state = state.value()};
}

LogStore::Options LogOptions(const StorageOptions& options) {
  LogStore::Options log;
  log.map_bytes = options.map_bytes;
  log.fatal = options.fatal;
  log.journal_bytes = options.journal_bytes;
  return log;
}

LmdbStateStore::Options StateOptions(const StorageOptions& options) {
  return {.map_bytes = options.map_bytes, .fatal = options.fatal};
}

// An empty folder by that name, whatever an interrupted start has left there.
Status MakeAnew(const std::string& path) {
  const Result<bool> exists = Exists(path);
  if (!exists.ok()) return Error{exists.error()};
  if (exists.value()) {
    if (Status removed = RemoveDirectory(path); !removed.ok()) return removed;
  }
  return MakeDirectory(path);
}

Status MakeLog(const Paths& paths, const Identity& identity, const StorageOptions& options) {
  if (Status made = MakeAnew(paths.new_log); !made.ok()) return made;
  Status created = LogStore::Create(paths.new_log, identity, LogOptions(options));
  if (!created.ok()) return created;
  return Rename(paths.new_log, paths.log);
}

Status MakeState(const Paths& paths, const Identity& identity, const StorageOptions& options) {
  if (Status made = MakeAnew(paths.new_state); !made.ok()) return made;
  Status created = LmdbStateStore::Create(paths.new_state, identity, options.initial_configuration,
                                          StateOptions(options));
  if (!created.ok()) return created;
  return Rename(paths.new_state, paths.state);
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

// The state must be what the log leads to somewhere between its ends.
Status CheckFit(const std::string& directory, const Recovered& recovered, const StateMeta& meta) {
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
  if (TermAt(recovered, applied) != meta.last_applied_term) {
    return Error{directory + ": the state was made with another entry " + Number(applied) +
                 " than the log's: the two are not of one server"};
  }
  return Ok();
}

}  // namespace

Result<std::optional<Identity>> ReadIdentity(const std::string& directory,
                                             const StorageOptions& options) {
  const Result<bool> exists = Exists(directory);
  if (!exists.ok()) return Error{exists.error()};
  if (!exists.value()) return std::optional<Identity>();
  const Result<DirectoryLock> lock = DirectoryLock::Take(directory);
  if (!lock.ok()) return Error{lock.error()};
  const Paths paths(directory);
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

  const Paths paths(directory);
  const Result<Parts> parts = FindParts(paths);
  if (!parts.ok()) return Error{parts.error()};
  if (!parts.value().log && parts.value().state) {
    return Error{directory +
                 ": there is a state but no log: a server that has lost its log and with " +
                 "it its votes must not come back as the same member"};
  }
  if (!parts.value().log) {
    if (!identity) return Error{directory + ": the folder holds no data"};
    if (Status made = MakeLog(paths, *identity, options); !made.ok()) return Error{made.error()};
  }

  auto log = LogStore::Open(paths.log, LogOptions(options));
  if (!log.ok()) return Error{log.error()};
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
  Recovered recovered = log.value()->recovered();
  const StateMeta& meta = state.value()->meta();
  if (Status fits = CheckFit(directory, recovered, meta); !fits.ok()) return Error{fits.error()};
  recovered.last_applied = meta.last_applied;

  if (Status sure = log.value()->StartJournal(); !sure.ok()) return Error{sure.error()};
  if (Status sure = state.value()->ConfirmDurable(); !sure.ok()) return Error{sure.error()};
  return OpenedStorage{.lock = std::move(lock.value()),
                       .identity = found,
                       .first_start = !parts.value().state,
                       .log = std::move(log.value()),
                       .state = std::move(state.value()),
                       .recovered = std::move(recovered)};
}

}  // namespace quorate::storage
