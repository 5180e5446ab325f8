// The making of a data folder's two parts, the log and the state.
#pragma once

#include "storage/base/folder_parts.h"
#include "storage/base/identity.h"
#include "storage/base/result.h"
#include "storage/checkpoint/lmdb_state_store.h"
#include "storage/folder/data_directory.h"
#include "storage/log/log_store.h"

namespace quorate::storage {

LogStore::Options LogOptions(const StorageOptions& options);
LmdbStateStore::Options StateOptions(const StorageOptions& options);

// A log or a state of nothing, in place of the one that is there.
Status MakeLog(const FolderParts& parts, const Identity& identity, const StorageOptions& options);
Status MakeState(const FolderParts& parts, const Identity& identity, const StorageOptions& options);

}  // namespace quorate::storage
