#include "redis-tests/faults/disks.h"

#include <unistd.h>

#include <fstream>

namespace quorate::redis_tests {

namespace {

// For the journal, a log with the default backlog, and the keys of many rounds.
constexpr int kMegabytes = 128;

}  // namespace

std::unique_ptr<Disks> Disks::Make(int node_count, std::string* why_not) {
  *why_not = "no small disks: they need root, mkfs.ext4 and loop devices";
  if (!EnterOwnMountNamespace()) {
    return nullptr;
  }
  std::unique_ptr<Disks> disks(new Disks());
  for (int id = 1; id <= node_count; ++id) {
    disks->disks_.push_back(SmallDisk::Mount(disks->FolderOf(id), kMegabytes));
    if (disks->disks_.back() == nullptr) {
      return nullptr;
    }
  }
  why_not->clear();
  return disks;
}

std::vector<std::string> Disks::data_folders() const {
  std::vector<std::string> folders;
  for (size_t i = 0; i < disks_.size(); ++i) {
    folders.push_back(FolderOf(static_cast<int>(i) + 1));
  }
  return folders;
}

bool Disks::CanFail() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return false;
#else
  return true;
#endif
}

std::vector<std::string> Disks::Prefix(int id) const {
  if (!CanFail()) {
    return {};
  }
  return {"env", "LD_PRELOAD=" QUORATE_FAILING_DISK, "FAILING_DISK=" + SwitchOf(id)};
}

void Disks::Fail(int id) { std::ofstream(SwitchOf(id)) << "yes"; }

void Disks::Repair(int id) { unlink(SwitchOf(id).c_str()); }

}  // namespace quorate::redis_tests
