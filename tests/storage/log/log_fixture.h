// What tests of the log share: short ways to make entries and writes, and to open a log.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "storage/log/log_store.h"
#include "tests/storage/support/temporary_directory.h"

namespace quorate::storage {

inline consensus::Entry MakeEntry(uint64_t index, uint64_t term, std::string bytes) {
  return {.term = consensus::Term(term),
          .index = consensus::Index(index),
          .kind = consensus::EntryKind::kBatch,
          .payload = consensus::Payload(std::move(bytes))};
}

// Entries first..last of one term; each payload tells index and term and is `size` bytes long.
inline std::vector<consensus::Entry> MakeEntries(uint64_t first, uint64_t last, uint64_t term,
                                                 size_t size = 0) {
  std::vector<consensus::Entry> entries;
  for (uint64_t index = first; index <= last; ++index) {
    std::string bytes = std::to_string(index) + "@" + std::to_string(term) + ";";
    if (bytes.size() < size) bytes.resize(size, static_cast<char>('a' + index % 26));
    entries.push_back(MakeEntry(index, term, std::move(bytes)));
  }
  return entries;
}

// Gives the entries the chains that they have in a log in which `before` is the chain of those
// before them.
inline consensus::Chain Link(consensus::Chain before, std::vector<consensus::Entry>* entries) {
  for (consensus::Entry& entry : *entries) before = entry.chain = ExtendChain(before, entry);
  return before;
}

// Does that for writes that follow one another, some with truncations.
class Chains {
 public:
  // Of a log that has nothing yet, or that ends here.
  explicit Chains(consensus::Index last = {}, consensus::Chain chain = {}) { at_[last] = chain; }
  explicit Chains(const consensus::Recovered& recovered)
      : Chains(recovered.last_index, recovered.last_chain) {}

  consensus::Persist Link(consensus::Persist write) {
    for (consensus::Entry& entry : write.entries) {
      entry.chain = at_[entry.index] = ExtendChain(at_[entry.index - 1], entry);
    }
    return write;
  }
  std::vector<consensus::Persist> Link(std::vector<consensus::Persist> writes) {
    for (consensus::Persist& write : writes) write = Link(std::move(write));
    return writes;
  }

 private:
  std::map<consensus::Index, consensus::Chain> at_;
};

// A write with its entries' term as the current one. Those of a log's beginning are linked.
inline consensus::Persist MakeWrite(uint64_t seq, std::vector<consensus::Entry> entries,
                                    std::optional<uint64_t> truncate_from = std::nullopt) {
  consensus::Persist write;
  write.seq = consensus::PersistSeq(seq);
  if (!entries.empty()) {
    write.hard_state = consensus::HardState{entries.back().term, consensus::NodeId()};
  }
  if (truncate_from) write.truncate_from = consensus::Index(*truncate_from);
  write.entries = std::move(entries);
  if (!write.entries.empty() && write.entries.front().index == consensus::Index(1)) {
    Link(consensus::Chain(), &write.entries);
  }
  return write;
}

inline Identity SomeIdentity() {
  return {.cluster_id = 0xc0ffee, .node_id = consensus::NodeId(1), .members = "1=here"};
}

inline std::unique_ptr<LogStore> MakeLog(const std::string& path,
                                         const LogStore::Options& options = {}) {
  std::filesystem::create_directory(path);
  const Status created = LogStore::Create(path, SomeIdentity(), options);
  EXPECT_TRUE(created.ok()) << created.error();
  auto log = LogStore::Open(path, options);
  EXPECT_TRUE(log.ok()) << log.error();
  return std::move(log.value());
}

inline std::unique_ptr<LogStore> OpenLog(const std::string& path,
                                         const LogStore::Options& options = {}) {
  auto log = LogStore::Open(path, options);
  EXPECT_TRUE(log.ok()) << log.error();
  return std::move(log.value());
}

// All entries that are in the log.
inline std::vector<consensus::Entry> ReadAll(const LogStore& log) {
  std::vector<consensus::Entry> entries;
  for (consensus::Index next = log.base_index() + 1; next <= log.last_index();) {
    for (consensus::Entry& entry : log.Read(next, log.last_index(), 1 << 20)) {
      entries.push_back(std::move(entry));
    }
    next = entries.back().index + 1;
  }
  return entries;
}

}  // namespace quorate::storage
