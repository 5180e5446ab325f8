// The making of a data folder's two parts, the log and the state.
#pragma once

#include "storage/data_directory.h"
#include "storage/folder_parts.h"
#include "storage/identity.h"
#include "storage/lmdb_state_store.h"
#include "storage/log_store.h"
#include "storage/result.h"

namespace quorate::storage {

LogStore::Options LogOptions(const StorageOptions& options);
LmdbStateStore::Options StateOptions(const StorageOptions& options);

// A log or a state of nothing, in place of the one that is there.
Status MakeLog(const FolderParts& parts, const Identity& identity, const StorageOptions& options);
Status MakeState(const FolderParts& parts, const Identity& identity, const StorageOptions& options);

}  // namespace quorate::storage
