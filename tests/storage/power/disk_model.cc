#include "tests/storage/power/disk_model.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <utility>

#include "storage/base/file_system.h"

namespace quorate::storage {
namespace {

using system_calls::Event;

constexpr size_t kSectorBytes = 512;

uint64_t InodeOf(const std::string& path) {
  struct stat status;
  if (stat(path.c_str(), &status) != 0) abort();
  return status.st_ino;
}

void Put(std::string* file, uint64_t offset, std::string_view bytes) {
  if (file->size() < offset + bytes.size()) file->resize(offset + bytes.size());
  file->replace(offset, bytes.size(), bytes);
}

}  // namespace

DiskModel::DiskModel(const std::string& folder) : root_(Load(folder)) {}

DiskModel::NodeId DiskModel::Load(const std::string& path) {
  const NodeId id = nodes_.size();
  nodes_.emplace_back();
  by_inode_[InodeOf(path)] = id;
  if (!std::filesystem::is_directory(path)) {
    nodes_[id].bytes = ReadFile(path).value();
    return id;
  }
  nodes_[id].is_folder = true;
  for (const auto& item : std::filesystem::directory_iterator(path)) {
    const NodeId child = Load(item.path());
    nodes_[id].names[item.path().filename()] = child;
  }
  return id;
}

DiskModel::NodeId DiskModel::NodeOf(uint64_t inode) const {
  const auto found = by_inode_.find(inode);
  if (found == by_inode_.end()) abort();
  return found->second;
}

void DiskModel::Apply(const Event& event) {
  Change change;
  switch (event.kind) {
    case Event::Kind::kMark:
      return;
    case Event::Kind::kSync: {
      Node& node = nodes_[NodeOf(event.file)];
      for (const Change& earlier : node.unsynced) ApplyWhole(earlier, &node);
      node.unsynced.clear();
      return;
    }
    case Event::Kind::kCreateFile:
    case Event::Kind::kCreateFolder:
      // Under a number of its own: the inode may have been another file's, that is gone.
      by_inode_[event.file] = nodes_.size();
      change.names.push_back({.name = event.name, .node = nodes_.size()});
      nodes_.emplace_back().is_folder = event.kind == Event::Kind::kCreateFolder;
      break;
    case Event::Kind::kRename:
      change.names.push_back({.name = event.name});
      change.names.push_back({.name = event.new_name, .node = NodeOf(event.file)});
      break;
    case Event::Kind::kRemove:
      change.names.push_back({.name = event.name});
      break;
    case Event::Kind::kResize:
      change.is_resize = true;
      change.offset = event.offset;
      break;
    case Event::Kind::kWrite:
      change.offset = event.offset;
      change.bytes = event.bytes;
      change.is_durable = event.durable_at_once;
      break;
  }
  Node& node = nodes_[NodeOf(change.names.empty() ? event.file : event.folder)];
  if (change.is_durable && node.unsynced.empty()) {
    ApplyWhole(change, &node);
  } else {
    node.unsynced.push_back(std::move(change));
  }
}

void DiskModel::ApplyWhole(const Change& change, Node* node) {
  for (const NameChange& name : change.names) {
    if (name.node == kNone) {
      node->names.erase(name.name);
    } else {
      node->names[name.name] = name.node;
    }
  }
  if (change.is_resize) node->bytes.resize(change.offset);
  if (!change.bytes.empty()) Put(&node->bytes, change.offset, change.bytes);
}

void DiskModel::ApplyTorn(const Change& change, Node* node, Random& random) {
  if (change.bytes.empty()) {
    if (random.OneIn(2)) ApplyWhole(change, node);
    return;
  }
  // Few are missing, half of them, or most.
  const uint64_t of = 1 + random.Below(8);
  for (size_t at = 0; at < change.bytes.size();) {
    const uint64_t offset = change.offset + at;
    const size_t size = std::min(change.bytes.size() - at, kSectorBytes - offset % kSectorBytes);
    if (random.Below(9) < of) {
      Put(&node->bytes, offset, std::string_view(change.bytes).substr(at, size));
    }
    at += size;
  }
}

void DiskModel::CutPower(const std::string& path, const Event* under_way, Random& random) const {
  std::filesystem::remove_all(path);
  const auto kept = static_cast<Kept>(random.Below(3));
  if (under_way == nullptr || under_way->kind == Event::Kind::kSync) {
    WriteNode(root_, path, kept, random);
    return;
  }
  DiskModel then = *this;
  Event event = *under_way;
  event.durable_at_once = false;
  then.Apply(event);
  then.WriteNode(then.root_, path, kept, random);
}

void DiskModel::WriteNode(NodeId id, const std::string& path, Kept kept, Random& random) const {
  Node node{.is_folder = nodes_[id].is_folder,
            .bytes = nodes_[id].bytes,
            .names = nodes_[id].names,
            .unsynced = {}};
  for (const Change& change : nodes_[id].unsynced) {
    if (change.is_durable || kept == Kept::kEverything) {
      ApplyWhole(change, &node);
    } else if (kept == Kept::kAny) {
      ApplyTorn(change, &node, random);
    }
  }
  if (!node.is_folder) {
    std::ofstream(path, std::ios::binary) << node.bytes;
    return;
  }
  std::filesystem::create_directory(path);
  for (const auto& [name, child] : node.names) {
    WriteNode(child, path + "/" + name, kept, random);
  }
}

}  // namespace quorate::storage
