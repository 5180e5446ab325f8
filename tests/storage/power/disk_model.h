// What a disk may hold after the power fails, made from a record of what was done to its files
// (system_calls.h).
//
// Promised is what POSIX promises, and no more. Of a file, what was written before its last sync is
// there, and of what was written since, each sector may be there or not. Of a folder, the same goes
// for the names that were made, changed or removed in it: a file may be complete and have no name,
// or have its name and no contents. A rename is there as a whole or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/storage/support/random.h"
#include "tests/storage/support/system_calls.h"

namespace quorate::storage {

class DiskModel {
 public:
  // The disk has what is below the folder now, durably.
  explicit DiskModel(const std::string& folder);

  void Apply(const system_calls::Event& event);

  // Makes a folder at `path`, in place of what is there: the power failed while `under_way`, if
  // that is not null, was being done. How much of what was not synced is there is drawn.
  void CutPower(const std::string& path, const system_calls::Event* under_way,
                Random& random) const;

 private:
  using NodeId = size_t;
  // A name in a folder that is set to a file or folder, or to nothing.
  struct NameChange {
    std::string name;
    NodeId node = kNone;
  };
  // What a sync makes durable: of a file a write, or a new size; of a folder changes of names,
  // which come together.
  struct Change {
    uint64_t offset = 0;
    std::string bytes;
    bool is_resize = false;
    bool is_durable = false;  // and only behind one in order that is not
    std::vector<NameChange> names;
  };
  struct Node {
    bool is_folder = false;
    std::string bytes;                    // of a file
    std::map<std::string, NodeId> names;  // of a folder
    std::vector<Change> unsynced;
  };
  static constexpr NodeId kNone = ~size_t{0};
  // How much of what was not synced is there.
  enum class Kept { kNothing, kEverything, kAny };

  NodeId Load(const std::string& path);
  NodeId NodeOf(uint64_t inode) const;
  static void ApplyWhole(const Change& change, Node* node);
  // Sector by sector, each there or not.
  static void ApplyTorn(const Change& change, Node* node, Random& random);
  void WriteNode(NodeId id, const std::string& path, Kept kept, Random& random) const;

  std::vector<Node> nodes_;
  std::map<uint64_t, NodeId> by_inode_;  // as they are now
  NodeId root_;
};

}  // namespace quorate::storage
