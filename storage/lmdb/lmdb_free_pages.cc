#include "storage/lmdb/lmdb_free_pages.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "storage/base/encoding.h"

namespace quorate::storage {
namespace {

// LMDB's own numbers of the two databases that each environment has.
constexpr MDB_dbi kFreeList = 0;
constexpr MDB_dbi kMain = 1;

// The meta pages, which are nobody's.
constexpr size_t kFirstPage = 2;

class FreePages {
 public:
  FreePages(const Environment& environment, MDB_txn* transaction, size_t end)
      : environment_(environment), transaction_(transaction), is_free_(end) {}

  Status Read() {
    Cursor cursor;
    if (const int code = OpenCursor(transaction_, kFreeList, &cursor)) return Unreadable(code);
    MDB_val key;
    MDB_val row;
    int code = mdb_cursor_get(cursor.get(), &key, &row, MDB_FIRST);
    for (; code == 0; code = mdb_cursor_get(cursor.get(), &key, &row, MDB_NEXT)) {
      if (Status added = Add(ToBytes(key), ToBytes(row)); !added.ok()) return added;
    }
    if (code != MDB_NOTFOUND) return Unreadable(code);
    return Ok();
  }

  // With the pages that are in use.
  Status Compare() const {
    size_t used = kFirstPage;
    for (const MDB_dbi database : {kFreeList, kMain}) {
      if (Status counted = Count(database, &used); !counted.ok()) return counted;
    }
    Cursor cursor;
    if (const int code = OpenCursor(transaction_, kMain, &cursor)) return Unreadable(code);
    MDB_val name;
    MDB_val record;
    int code = mdb_cursor_get(cursor.get(), &name, &record, MDB_FIRST);
    for (; code == 0; code = mdb_cursor_get(cursor.get(), &name, &record, MDB_NEXT)) {
      MDB_dbi database = 0;
      const std::string text(ToBytes(name));
      const int opened = mdb_dbi_open(transaction_, text.c_str(), 0, &database);
      if (opened == MDB_INCOMPATIBLE) continue;  // a record, and no database
      if (opened != 0) return Unreadable(opened);
      if (Status counted = Count(database, &used); !counted.ok()) return counted;
    }
    if (code != MDB_NOTFOUND) return Unreadable(code);
    if (used + free_ <= is_free_.size()) return Ok();
    return Damaged(std::to_string(used) + " pages of " + std::to_string(is_free_.size()) +
                   " are in use, and " + std::to_string(free_) + " are said to be free");
  }

 private:
  Status Count(MDB_dbi database, size_t* used) const {
    MDB_stat pages;
    if (const int code = mdb_stat(transaction_, database, &pages)) return Unreadable(code);
    *used += pages.ms_branch_pages + pages.ms_leaf_pages + pages.ms_overflow_pages;
    return Ok();
  }

  // A row: the number of pages, u64, and their numbers. LMDB may leave room behind them.
  Status Add(std::string_view key, std::string_view row) {
    if (key.size() != sizeof(uint64_t) || row.size() < sizeof(uint64_t)) {
      return Damaged("a row has a size that none has");
    }
    const auto commit = GetInteger<uint64_t>(key.data());
    const auto pages = GetInteger<uint64_t>(row.data());
    const std::string name = "the row of commit " + std::to_string(commit);
    if (commit <= last_commit_ || commit > mdb_txn_id(transaction_)) {
      return Damaged(name + " is not of a commit that was, or not in its place");
    }
    last_commit_ = commit;
    if (pages > row.size() / sizeof(uint64_t) - 1) return Damaged(name + " is too short");
    uint64_t last = is_free_.size();
    for (uint64_t number = 1; number <= pages; ++number) {
      const auto page = GetInteger<uint64_t>(row.data() + sizeof(uint64_t) * number);
      if (page < kFirstPage || page >= last) {
        return Damaged(name + " names page " + std::to_string(page) + " where one below page " +
                       std::to_string(last) + " stands");
      }
      if (is_free_[page]) {
        return Damaged(name + " names page " + std::to_string(page) + ", as an earlier one does");
      }
      is_free_[page] = true;
      last = page;
    }
    free_ += pages;
    return Ok();
  }

  Error Damaged(const std::string& what) const {
    return environment_.MakeError("the list of free pages is damaged: " + what);
  }
  Error Unreadable(int code) const {
    return environment_.MakeError("the list of free pages cannot be read", code);
  }

  const Environment& environment_;
  MDB_txn* const transaction_;
  std::vector<bool> is_free_;  // by page; as long as the file has pages
  size_t free_ = 0;
  uint64_t last_commit_ = 0;
};

}  // namespace

Status CheckFreePages(const Environment& environment) {
  // First: where locks do not hold, another process may commit meanwhile, and make the file longer.
  const Result<ReadTransaction> transaction = ReadTransaction::Begin(environment);
  if (!transaction.ok()) return Error{transaction.error()};
  MDB_envinfo facts;
  if (const int code = mdb_env_info(environment.handle(), &facts)) {
    return environment.MakeError("cannot be looked at", code);
  }
  FreePages pages(environment, transaction.value().handle(), facts.me_last_pgno + 1);
  if (Status read = pages.Read(); !read.ok()) return read;
  return pages.Compare();
}

}  // namespace quorate::storage
