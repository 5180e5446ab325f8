// The names of what lies in a data folder, and the making of its two parts.
#pragma once

#include <string>

#include "storage/data_directory.h"
#include "storage/identity.h"
#include "storage/lmdb_state_store.h"
#include "storage/log_store.h"
#include "storage/result.h"

namespace quorate::storage {

// Each part is made complete under its name for the making and then renamed.
struct FolderParts {
  explicit FolderParts(const std::string& directory)
      : log(directory + "/log"),
        state(directory + "/state"),
        new_log(directory + "/log.new"),
        new_state(directory + "/state.new"),
        incoming(directory + "/state.incoming"),
        received(directory + "/state.received"),
        installing(directory + "/state.installing"),
        change(directory + "/change") {}

  std::string log;
  std::string state;
  std::string new_log;
  std::string new_state;
  std::string incoming;    // a snapshot that is arriving
  std::string received;    // one that is complete
  std::string installing;  // one that is decided to be the state: `state` is out of date
  std::string change;      // a change of identity that is decided: see folder_recovery.h
};

LogStore::Options LogOptions(const StorageOptions& options);
LmdbStateStore::Options StateOptions(const StorageOptions& options);

// An empty folder by that name, whatever was there before.
Status MakeAnew(const std::string& path);

// A log or a state of nothing, in place of the one that is there.
Status MakeLog(const FolderParts& parts, const Identity& identity, const StorageOptions& options);
Status MakeState(const FolderParts& parts, const Identity& identity, const StorageOptions& options);

}  // namespace quorate::storage
