// A server's data folder: `lock`, and the LMDB environments `log` and `state`.
//
// A folder is made once, for one member of one cluster, and belongs to it for ever. What does not
// fit together is refused and left as it is: a member that goes on with another's log, or without
// its own, could vote twice and so lose what the cluster has acknowledged.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "consensus/types.h"
#include "storage/base/fatal.h"
#include "storage/base/identity.h"
#include "storage/base/result.h"
#include "storage/checkpoint/lmdb_state_store.h"
#include "storage/folder/directory_lock.h"
#include "storage/lmdb/lmdb_environment.h"
#include "storage/log/log_store.h"

namespace quorate::storage {

struct StorageOptions {
  size_t map_bytes = kMapBytesDefault;
  FatalHandler fatal = nullptr;
  size_t journal_bytes = kJournalBytesDefault;
  // The members of a cluster that begins now, as consensus encodes them: for a folder that is made
  // by this start. Empty: not known yet, as for a node that is to be added to a cluster.
  std::string initial_configuration = {};
};

// A folder that is open, locked against other processes. The members are destroyed in the right
// order: the lock last.
struct OpenedStorage {
  DirectoryLock lock;
  Identity identity;         // as it was given at the first start
  bool first_start = false;  // the data was made just now
  // The state is of a snapshot that did not follow from the log, which was begun anew behind it.
  bool log_begun_anew = false;
  std::unique_ptr<LogStore> log;
  std::unique_ptr<LmdbStateStore> state;
  consensus::Recovered recovered;
};

// Whether the folder holds data, anybody's. Locks and makes nothing, so it may be asked of a folder
// that is another's, as a mount point without its disk is.
Result<bool> HoldsData(const std::string& directory);

// Whose data the folder holds; nothing when it holds none yet or does not exist. Does not look at
// the data itself. An error also while another process has it open.
Result<std::optional<Identity>> ReadIdentity(const std::string& directory,
                                             const StorageOptions& options);

// Opens the folder, verifies it, and has written to it durably once when this returns.
//
// With an identity: a folder that has no data yet, or does not exist (the folder that is to hold it
// must), becomes that member's. One that has data must be that cluster's and that node's; the first
// members may be called otherwise now. Without: the folder must have data, anybody's.
//
// A first start that was interrupted, whenever that was, is taken up again. Where there is data but
// too little space on the disk, Result::disk_full() says so: it may be tried again.
Result<OpenedStorage> OpenStorage(const std::string& directory,
                                  const std::optional<Identity>& identity,
                                  const StorageOptions& options);

}  // namespace quorate::storage
