#include "tests/storage/support/lmdb_pages.h"

#include <cstdlib>
#include <cstring>
#include <fstream>

namespace quorate::storage {
namespace {

// The newer of two meta pages counts: of it, the roots of the list of free pages and of the main
// database, and the transaction.
constexpr size_t kFreeListRoot = 80;
constexpr size_t kMainRoot = 128;
constexpr size_t kTransaction = 144;
constexpr size_t kRootOfDatabase = 40;  // within the record of a named database
constexpr size_t kPageHeaderBytes = 16;
constexpr size_t kNodeHeaderBytes = 8;

}  // namespace

LmdbPages::LmdbPages(const std::string& path) : path_(path) {
  std::ifstream file(path, std::ios::binary);
  bytes_ = {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void LmdbPages::Save() const {
  std::fstream(path_, std::ios::binary | std::ios::in | std::ios::out) << bytes_;
}

template <typename Integer>
Integer LmdbPages::Get(size_t at) const {
  Integer value;
  if (at + sizeof(value) > bytes_.size()) abort();
  std::memcpy(&value, bytes_.data() + at, sizeof(value));
  return value;
}

template <typename Integer>
void LmdbPages::Set(size_t at, Integer value) {
  if (at + sizeof(value) > bytes_.size()) abort();
  std::memcpy(bytes_.data() + at, &value, sizeof(value));
}

size_t LmdbPages::NodeAt(const Node& node) const {
  if (node.number >= NodeCount(node.page)) abort();
  const size_t page = node.page * kPageBytes;
  return page + Get<uint16_t>(page + kPageHeaderBytes + 2 * node.number);
}

std::string_view LmdbPages::Key(const Node& node) const {
  const size_t at = NodeAt(node);
  return std::string_view(bytes_).substr(at + kNodeHeaderBytes, Get<uint16_t>(at + 6));
}

std::string_view LmdbPages::Data(const Node& node) const {
  const size_t at = NodeAt(node);
  const size_t bytes = HasOwnPages(node) ? sizeof(uint64_t)
                                         : Get<uint16_t>(at) | size_t{Get<uint16_t>(at + 2)} << 16;
  return std::string_view(bytes_).substr(at + kNodeHeaderBytes + Key(node).size(),
                                         IsBranch(node.page) ? 0 : bytes);
}

char* LmdbPages::OwnPage(const Node& node) {
  uint64_t page = 0;
  std::memcpy(&page, Data(node).data(), sizeof(page));
  return bytes_.data() + page * kPageBytes;
}

size_t LmdbPages::Child(const Node& node) const {
  const size_t at = NodeAt(node);
  return Get<uint16_t>(at) | size_t{Get<uint16_t>(at + 2)} << 16 |
         size_t{Get<uint16_t>(at + 4)} << 32;
}

void LmdbPages::SetChild(const Node& node, size_t page) {
  const size_t at = NodeAt(node);
  Set(at, static_cast<uint16_t>(page));
  Set(at + 2, static_cast<uint16_t>(page >> 16));
  Set(at + 4, static_cast<uint16_t>(page >> 32));
}

void LmdbPages::Remove(const Node& node) {
  const size_t page = node.page * kPageBytes;
  char* place = bytes_.data() + page + kPageHeaderBytes + 2 * node.number;
  std::memmove(place, place + 2, 2 * (NodeCount(node.page) - node.number - 1));
  Set(page + 12, static_cast<uint16_t>(Get<uint16_t>(page + 12) - 2));
}

void LmdbPages::RepeatPrevious(const Node& node) {
  const size_t place = node.page * kPageBytes + kPageHeaderBytes + 2 * node.number;
  Set(place, Get<uint16_t>(place - 2));
}

void LmdbPages::CopyPage(const LmdbPages& source, size_t from, size_t to) {
  std::memcpy(bytes_.data() + to * kPageBytes, source.bytes_.data() + from * kPageBytes,
              kPageBytes);
  Set(to * kPageBytes, static_cast<uint64_t>(to));
}

std::vector<LmdbPages::Node> LmdbPages::PathFrom(size_t root, std::string_view key) const {
  std::vector<Node> path;
  for (size_t page = root;; page = Child(path.back())) {
    const bool branch = IsBranch(page);
    // The first separator of a branch page is empty.
    size_t number = branch ? 1 : 0;
    while (number < NodeCount(page) &&
           (branch ? Key({page, number}) <= key : Key({page, number}) < key)) {
      ++number;
    }
    path.push_back({page, branch ? number - 1 : number});
    if (!branch) return path;
  }
}

std::vector<LmdbPages::Node> LmdbPages::Path(std::string_view database,
                                             std::string_view key) const {
  const Node record = PathInMain(database).back();
  if (Key(record) != database) abort();
  uint64_t root = 0;
  std::memcpy(&root, Data(record).data() + kRootOfDatabase, sizeof(root));
  return PathFrom(root, key);
}

size_t LmdbPages::Root(size_t of_database) const {
  const size_t newer =
      Get<uint64_t>(kTransaction) > Get<uint64_t>(kPageBytes + kTransaction) ? 0 : kPageBytes;
  return Get<uint64_t>(newer + of_database);
}

std::vector<LmdbPages::Node> LmdbPages::PathInMain(std::string_view name) const {
  return PathFrom(Root(kMainRoot), name);
}

std::vector<LmdbPages::Node> LmdbPages::PathInFreeList() const {
  return PathFrom(Root(kFreeListRoot), "");
}

}  // namespace quorate::storage
