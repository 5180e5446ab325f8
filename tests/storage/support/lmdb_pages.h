// The pages of LMDB's data file (mdb.c of 0.9.24), for tests that damage one that is in use, in a
// way of their own choice. The file must not be open.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace quorate::storage {

class LmdbPages {
 public:
  static constexpr size_t kPageBytes = 4096;

  // Reads the file.
  explicit LmdbPages(const std::string& path);
  // Writes it back.
  void Save() const;

  // A node of a branch or leaf page, by its place in the page.
  struct Node {
    size_t page;
    size_t number;
  };
  bool IsBranch(size_t page) const { return (Get<uint16_t>(page * kPageBytes + 10) & 1) != 0; }
  size_t NodeCount(size_t page) const { return (Get<uint16_t>(page * kPageBytes + 12) - 16U) / 2; }
  std::string_view Key(const Node& node) const;
  // What the node has beside its key: nothing in a branch page.
  std::string_view Data(const Node& node) const;
  // Where these bytes are, to be changed.
  char* At(std::string_view part) { return const_cast<char*>(part.data()); }
  // The row lies in pages of its own; Data() is the number of the first one.
  bool HasOwnPages(const Node& node) const { return (Get<uint16_t>(NodeAt(node) + 4) & 1) != 0; }
  char* OwnPage(const Node& node);
  // The page that a node of a branch leads to.
  size_t Child(const Node& node) const;
  void SetChild(const Node& node, size_t page);
  // Leaves the node out; the rest stays as it is.
  void Remove(const Node& node);
  // Has the node's place in the page's order lead to the one before.
  void RepeatPrevious(const Node& node);
  // Has the page hold what `from` has in `source`, under its own number.
  void CopyPage(const LmdbPages& source, size_t from, size_t to);

  // From the root of that database down to the leaf that has the key or would have it. The last
  // node is the leaf's, the first one whose key is not smaller; its number may be the page's
  // NodeCount.
  std::vector<Node> Path(std::string_view database, std::string_view key) const;
  // The same in the main database, whose keys are names.
  std::vector<Node> PathInMain(std::string_view name) const;
  // The same in the list of free pages, down to its first row.
  std::vector<Node> PathInFreeList() const;

 private:
  template <typename Integer>
  Integer Get(size_t at) const;
  template <typename Integer>
  void Set(size_t at, Integer value);
  size_t NodeAt(const Node& node) const;
  // Of the newer meta page.
  size_t Root(size_t of_database) const;
  std::vector<Node> PathFrom(size_t root, std::string_view key) const;

  std::string path_;
  std::string bytes_;
};

}  // namespace quorate::storage
