#include "storage/folder/folder_changes.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "consensus/configuration.h"
#include "consensus/founding.h"
#include "storage/base/file_system.h"
#include "storage/base/folder_parts.h"
#include "storage/checkpoint/state_builder.h"
#include "storage/folder/folder_making.h"
#include "storage/folder/folder_recovery.h"
#include "storage/snapshot/backup_file.h"

namespace quorate::storage {
namespace {

using consensus::Configuration;
using consensus::Entry;
using consensus::Index;
using consensus::NodeId;
using consensus::Recovered;

// The folder's lock, once the parts that were opened under it are closed again.
DirectoryLock CloseParts(OpenedStorage storage) { return std::move(storage.lock); }

// Decides on the change, and carries it out.
Status Change(const FolderParts& parts, const FolderChange& change, const StorageOptions& options) {
  Status decided = WriteFile(parts.change, EncodeFolderChange(change));
  if (!decided.ok()) return decided;
  return TakeUpChanges(parts, options);
}

// Whether an entry of the log that is not in the state may be a client's write.
bool HoldsWrites(const OpenedStorage& storage) {
  constexpr size_t kReadBytes = 1 << 20;
  const Recovered& recovered = storage.recovered;
  for (Index next = recovered.last_applied + 1; next <= recovered.last_index;) {
    const std::vector<Entry> entries = storage.log->Read(next, recovered.last_index, kReadBytes);
    for (const Entry& entry : entries) {
      if (entry.kind == consensus::EntryKind::kBatch) return true;
    }
    next = entries.back().index + 1;
  }
  return false;
}

// The newest members that the folder knows of, less all others than `id`; `address` where it does
// not know that one.
Configuration OnlyMember(const Recovered& recovered, NodeId id, std::string_view address) {
  const Configuration& newest = recovered.configurations.empty()
                                    ? recovered.configuration
                                    : recovered.configurations.back().second;
  Configuration configuration;
  const auto known = std::ranges::find(newest.members, id, &consensus::ConfigurationMember::id);
  configuration.members.push_back(
      {.id = id,
       .voter = true,
       .address = known == newest.members.end() ? std::string(address) : known->address});
  configuration.next_id = std::max(newest.next_id, id + 1);
  configuration.feature_level = newest.feature_level;  // the log and the state are of that level
  return configuration;
}

// Those members, if there are any, at the feature level that the state of a backup is of.
std::string AtLevel(uint32_t level, const std::string& members) {
  if (members.empty()) return members;
  Configuration configuration = consensus::DecodeConfiguration(members).value();
  configuration.feature_level = level;
  return Encode(configuration);
}

consensus::Founding DrawAfter(std::string_view before) {
  const auto founding = consensus::DecodeFounding(before);
  return founding ? consensus::DrawFoundingAfter(*founding) : consensus::DrawFounding();
}

// The founding record that the folder's entries come to in the end: the state may have to apply it
// yet.
std::string LastFounding(const OpenedStorage& storage) {
  const auto& in_log = storage.recovered.founding_entry;
  if (!in_log) return storage.state->meta().founding;
  return std::string(storage.log->Read(in_log->index, in_log->index, 0).front().payload.bytes());
}

}  // namespace

consensus::Founding FoundingOfNext(const StateMeta& meta) { return DrawAfter(meta.founding); }

Status InstallIncoming(const std::string& directory, const StorageOptions& options) {
  const Result<DirectoryLock> lock = DirectoryLock::Take(directory);
  if (!lock.ok()) return Error{lock.error()};
  const FolderParts parts(directory);
  {
    const Result<bool> exists = Exists(parts.received);
    if (!exists.ok()) return Error{exists.error()};
    if (!exists.value()) return Error{directory + ": there is no snapshot to be installed"};
    auto received = LmdbStateStore::Open(parts.received, StateOptions(options));
    if (!received.ok()) return Error{received.error()};
    auto state = LmdbStateStore::Open(parts.state, StateOptions(options));
    if (!state.ok()) return Error{state.error()};
    const Index snapshot = received.value()->meta().last_applied;
    const Index applied = state.value()->meta().last_applied;
    if (snapshot <= applied) {
      return Error{directory + ": the snapshot goes up to entry " +
                   std::to_string(snapshot.value()) + ", and the state up to " +
                   std::to_string(applied.value()) + " already"};
    }
  }
  if (Status decided = Rename(parts.received, parts.installing); !decided.ok()) return decided;
  return TakeUpChanges(parts, options);
}

Status AdoptIdentity(const std::string& directory, const Identity& identity, bool discards_data,
                     const StorageOptions& options) {
  Result<OpenedStorage> opened = OpenStorage(directory, std::nullopt, options);
  if (!opened.ok()) return Error{opened.error()};
  const StateMeta& meta = opened.value().state->meta();
  const Recovered& recovered = opened.value().recovered;
  const bool only_a_backup =
      recovered.origin_index > Index() && recovered.last_index == recovered.origin_index;
  const bool holds_data = meta.key_count() > 0 || meta.revision > 0 || HoldsWrites(opened.value());
  if (holds_data && !only_a_backup && !discards_data) {
    return Error{directory + ": the folder holds data, and cannot become that of " +
                 Describe(identity)};
  }
  const DirectoryLock lock = CloseParts(std::move(opened.value()));
  return Change(FolderParts(directory),
                {.kind = FolderChange::Kind::kAdopt,
                 .identity = identity,
                 .configuration = "",
                 .founding = ""},
                options);
}

Status ForceNewCluster(const std::string& directory, const Identity& identity,
                       std::string_view address, const StorageOptions& options) {
  Result<OpenedStorage> opened = OpenStorage(directory, std::nullopt, options);
  if (!opened.ok()) return Error{opened.error()};
  const Identity& found = opened.value().identity;
  if (found.node_id != identity.node_id || found.cluster_id == identity.cluster_id) {
    return Error{directory + ": the folder belongs to " + Describe(found) +
                 ", and cannot become that of " + Describe(identity)};
  }
  if (opened.value().recovered.last_index == Index()) {
    return Error{directory + ": the folder holds no entry: there is nothing to go on with"};
  }
  const std::string configuration =
      Encode(OnlyMember(opened.value().recovered, identity.node_id, address));
  const std::string founding = Encode(DrawAfter(LastFounding(opened.value())));
  const DirectoryLock lock = CloseParts(std::move(opened.value()));
  return Change(FolderParts(directory),
                {.kind = FolderChange::Kind::kRefound,
                 .identity = identity,
                 .configuration = configuration,
                 .founding = founding},
                options);
}

Status RestoreInto(const std::string& directory, const Identity& identity,
                   const std::string& backup, const StorageOptions& options) {
  const Result<bool> exists = Exists(directory);
  if (!exists.ok()) return Error{exists.error()};
  if (!exists.value()) {
    if (Status made = MakeDirectory(directory); !made.ok()) return made;
  }
  const Result<DirectoryLock> lock = DirectoryLock::Take(directory);
  if (!lock.ok()) return Error{lock.error()};
  const FolderParts parts(directory);
  for (const std::string& part : {parts.log, parts.state, parts.change}) {
    const Result<bool> is_there = Exists(part);
    if (!is_there.ok()) return Error{is_there.error()};
    if (is_there.value()) {
      return Error{directory + ": the folder holds data: a backup is restored into an empty one"};
    }
  }
  if (Status removed = RemoveDirectory(parts.installing); !removed.ok()) return removed;

  auto reader = BackupReader::Open(backup);
  if (!reader.ok()) return Error{reader.error()};
  StateMeta meta = reader.value()->meta();
  uint32_t level = consensus::kFirstFeatureLevel;
  if (!meta.configuration.empty()) {
    const auto before = consensus::DecodeConfiguration(meta.configuration);
    if (!before) return Error{backup + ": it was written by a newer version"};
    level = before->feature_level;
  }
  meta.configuration = AtLevel(level, options.initial_configuration);
  meta.configuration_index = meta.last_applied;
  meta.origin_index = meta.last_applied;
  if (!meta.founding.empty()) {
    auto founding = consensus::DecodeFounding(meta.founding);
    if (!founding) return Error{backup + ": it was written by a newer version"};
    founding->id = {};
    meta.founding = Encode(*founding);
  }
  if (Status made = MakeEmptyDirectory(parts.incoming); !made.ok()) return made;
  auto builder = StateBuilder::Begin(parts.incoming, identity, meta, StateOptions(options));
  if (!builder.ok()) return Error{builder.error()};
  while (true) {
    const Result<std::optional<std::string>> rows = reader.value()->Next();
    if (!rows.ok()) return Error{rows.error()};
    if (!rows.value()) break;
    if (Status added = builder.value()->Add(*rows.value()); !added.ok()) return added;
  }
  if (Status whole = builder.value()->Finish(); !whole.ok()) return whole;
  // The state first: a folder that has a log is a server's, and the restore was complete. A start
  // then finds a snapshot that is to be installed, and an empty log to be begun behind it.
  if (Status renamed = Rename(parts.incoming, parts.installing); !renamed.ok()) return renamed;
  return MakeLog(parts, identity, options);
}

}  // namespace quorate::storage
