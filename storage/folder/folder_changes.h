// What makes another data folder out of one: a snapshot that takes the place of the state, another
// identity, a backup. The server is not running on the folder meanwhile: each takes its lock. Each
// is done when it returns Ok; one that was interrupted is taken up, or has never been, at the next
// start (OpenStorage, ReadIdentity), whenever it was interrupted.
#pragma once

#include <string>
#include <string_view>

#include "consensus/founding.h"
#include "storage/base/identity.h"
#include "storage/base/result.h"
#include "storage/folder/data_directory.h"
#include "storage/keyspace/state_store.h"

namespace quorate::storage {

// What the first leader of a cluster that begins with this state is to propose: an id that is
// drawn, and the rest as the founding record that the state has.
consensus::Founding FoundingOfNext(const StateMeta& meta);

// Puts the snapshot that a SnapshotTarget has finished in the state's place. The next OpenStorage
// finds it, and begins the log anew behind it unless the log has the snapshot's last entry. An
// error, and nothing has changed: there is none, or it is not newer than the state.
Status InstallIncoming(const std::string& directory, const StorageOptions& options);

// Makes a folder that has never held a key or a client's write, or only the backup that its cluster
// began with, into that of another member, of another cluster: as if the node had been started with
// that identity at first. What it has voted in its old name is forgotten. An error, and nothing has
// changed: the folder holds more.
// `discards_data`: whatever it holds is thrown away.
Status AdoptIdentity(const std::string& directory, const Identity& identity, bool discards_data,
                     const StorageOptions& options);

// Makes the folder of a survivor into that of the only member of a new cluster: everything in its
// log counts, committed or not. `identity` is the new one; its node_id must be the folder's.
// The member keeps the address that it has in its log; `address`, in consensus's words, is for one
// that is not known there. An error, and nothing has changed: another's folder, or an empty one.
Status ForceNewCluster(const std::string& directory, const Identity& identity,
                       std::string_view address, const StorageOptions& options);

// Makes a folder, which holds no data yet, with the key space of a backup, for the first start of a
// new cluster's member: with options.initial_configuration as the members. All first members are
// made from the same backup. An error, with the place where the file is damaged; a new try begins
// from the start.
Status RestoreInto(const std::string& directory, const Identity& identity,
                   const std::string& backup, const StorageOptions& options);

}  // namespace quorate::storage
