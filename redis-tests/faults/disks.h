// The disks of a cluster's nodes, each of which can be filled and made to fail.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "redis-tests/support/small_disk.h"
#include "redis-tests/support/temporary_folder.h"

namespace quorate::redis_tests {

// Small file systems in memory, one for each node; nodes are named by their ids, 1 to n. Outlives
// the cluster that uses it. For one thread.
class Disks {
 public:
  // Before any thread is made. Needs root, mkfs.ext4 and loop devices; where that is missing: null,
  // and the reason in `why_not`, which is empty otherwise.
  static std::unique_ptr<Disks> Make(int node_count, std::string* why_not);

  // For Cluster::Options.
  std::vector<std::string> data_folders() const;
  std::vector<std::string> Prefix(int id) const;

  // Whether Fail does anything: not with sanitizers, which want to be loaded first.
  static bool CanFail();

  void Fill(int id) { disk(id).Fill(); }
  void MakeSpace(int id) { disk(id).MakeSpace(); }
  // From now on each sync is answered with an input/output error.
  void Fail(int id);
  void Repair(int id);

 private:
  Disks() = default;
  SmallDisk& disk(int id) { return *disks_[static_cast<size_t>(id - 1)]; }
  std::string FolderOf(int id) const { return folder_.path() + "/disk-" + std::to_string(id); }
  // A file that is there while the disk fails.
  std::string SwitchOf(int id) const { return folder_.path() + "/fails-" + std::to_string(id); }

  TemporaryFolder folder_;
  std::vector<std::unique_ptr<SmallDisk>> disks_;
};

}  // namespace quorate::redis_tests
