#include "storage/folder/folder_recovery.h"

#include <utility>

#include "consensus/founding.h"
#include "storage/base/encoding.h"
#include "storage/base/file_system.h"
#include "storage/base/sealed_record.h"
#include "storage/folder/folder_making.h"

namespace quorate::storage {
namespace {

using consensus::Entry;
using consensus::EntryKind;
using consensus::HardState;
using consensus::NodeId;
using consensus::Persist;
using consensus::Term;

constexpr std::string_view kSealName = "folder change";

Status Adopt(const FolderParts& parts, const Identity& identity, StorageOptions options) {
  // Who joins a cluster learns of its members from the log, or from a snapshot.
  options.initial_configuration.clear();
  if (Status made = MakeLog(parts, identity, options); !made.ok()) return made;
  return MakeState(parts, identity, options);
}

// The new cluster's first entries say which it is and set its only member; they stand in the log
// like any others. In a term of its own: nobody else can have led that one. With the only member,
// they are committed when they are durable.
Status RefoundLog(const FolderParts& parts, const FolderChange& change,
                  const StorageOptions& options) {
  auto log = LogStore::Open(parts.log, LogOptions(options));
  if (!log.ok()) return Error{log.error()};
  if (log.value()->identity() == change.identity) return Ok();
  const Term term = log.value()->recovered().hard_state.current_term + 1;
  Persist write;
  write.hard_state = HardState{term, NodeId()};
  const std::optional<consensus::Founding> founding = consensus::DecodeFounding(change.founding);
  if (!founding) return Error{parts.change + ": the founding record cannot be read"};
  write.founding = founding->id;
  consensus::Chain chain = log.value()->recovered().last_chain;
  consensus::Index index = log.value()->last_index();
  for (const auto& [kind, bytes] : {std::pair(EntryKind::kConfiguration, &change.configuration),
                                    std::pair(EntryKind::kFounding, &change.founding)}) {
    Entry entry{
        .term = term, .index = ++index, .kind = kind, .payload = consensus::Payload(*bytes)};
    chain = entry.chain = ExtendChain(chain, entry);
    write.entries.push_back(std::move(entry));
  }
  // Whoever knew this server by its starts is not in the new cluster, and the survivor may go on
  // with it although its data was put back.
  write.ledger = std::string();
  return log.value()->ChangeIdentity(change.identity, write);
}

Status RefoundState(const FolderParts& parts, const FolderChange& change,
                    const StorageOptions& options) {
  auto state = LmdbStateStore::Open(parts.state, StateOptions(options));
  if (!state.ok()) return Error{state.error()};
  if (state.value()->identity() == change.identity) return Ok();
  return state.value()->ChangeIdentity(change.identity);
}

Status CarryOut(const FolderParts& parts, const FolderChange& change,
                const StorageOptions& options) {
  if (change.kind == FolderChange::Kind::kAdopt) return Adopt(parts, change.identity, options);
  if (Status done = RefoundLog(parts, change, options); !done.ok()) return done;
  return RefoundState(parts, change, options);
}

Status TakeUpIdentity(const FolderParts& parts, const StorageOptions& options) {
  const Result<bool> exists = Exists(parts.change);
  if (!exists.ok()) return Error{exists.error()};
  if (!exists.value()) return Ok();
  const Result<std::string> record = ReadFile(parts.change);
  if (!record.ok()) return Error{record.error()};
  const std::optional<FolderChange> change = DecodeFolderChange(record.value());
  if (!change) return Error{parts.change + ": the file is damaged: its checksum is wrong"};
  if (Status done = CarryOut(parts, *change, options); !done.ok()) return done;
  // Durably: to adopt again would take away what is in the folder by then.
  return RemoveFile(parts.change);
}

Status TakeUpSnapshot(const FolderParts& parts) {
  const Result<bool> decided = Exists(parts.installing);
  if (!decided.ok()) return Error{decided.error()};
  const Result<bool> log = Exists(parts.log);
  if (!log.ok()) return Error{log.error()};
  // Without a log: a backup that was to be restored. OpenStorage says so.
  if (!decided.value() || !log.value()) return Ok();
  if (Status removed = RemoveDirectory(parts.state); !removed.ok()) return removed;
  return Rename(parts.installing, parts.state);
}

Status RemoveLeftover(const std::string& path) {
  const Result<bool> exists = Exists(path);
  if (!exists.ok()) return Error{exists.error()};
  return exists.value() ? RemoveDirectory(path) : Ok();
}

}  // namespace

std::string EncodeFolderChange(const FolderChange& change) {
  const std::string identity = EncodeIdentity(change.identity);
  std::string body;
  AppendInteger(&body, static_cast<uint8_t>(change.kind));
  AppendInteger(&body, static_cast<uint64_t>(identity.size()));
  body += identity;
  AppendInteger(&body, static_cast<uint64_t>(change.configuration.size()));
  body += change.configuration;
  AppendInteger(&body, static_cast<uint64_t>(change.founding.size()));
  body += change.founding;
  return Seal(kSealName, kAnyTransaction, body);
}

std::optional<FolderChange> DecodeFolderChange(std::string_view record) {
  const std::optional<std::string_view> body = Unseal(kSealName, kAnyTransaction, record);
  if (!body) return std::nullopt;
  FieldReader fields(*body);
  const auto kind = fields.Take<uint8_t>();
  const auto identity_bytes = fields.Take<uint64_t>();
  std::optional<StoredIdentity> identity = DecodeIdentity(fields.TakeBytes(identity_bytes));
  const auto configuration_bytes = fields.Take<uint64_t>();
  const std::string_view configuration = fields.TakeBytes(configuration_bytes);
  const auto founding_bytes = fields.Take<uint64_t>();
  const std::string_view founding = fields.TakeBytes(founding_bytes);
  if (!fields.finished() || !identity || identity->format_version != kFormatVersion) {
    return std::nullopt;
  }
  if (kind != static_cast<uint8_t>(FolderChange::Kind::kAdopt) &&
      kind != static_cast<uint8_t>(FolderChange::Kind::kRefound)) {
    return std::nullopt;
  }
  return FolderChange{.kind = static_cast<FolderChange::Kind>(kind),
                      .identity = std::move(identity->identity),
                      .configuration = std::string(configuration),
                      .founding = std::string(founding)};
}

Status TakeUpChanges(const FolderParts& parts, const StorageOptions& options) {
  if (Status done = TakeUpIdentity(parts, options); !done.ok()) return done;
  if (Status done = TakeUpSnapshot(parts); !done.ok()) return done;
  if (Status removed = RemoveLeftover(parts.incoming); !removed.ok()) return removed;
  return RemoveLeftover(parts.received);
}

}  // namespace quorate::storage
