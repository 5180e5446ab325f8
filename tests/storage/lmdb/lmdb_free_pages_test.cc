// Damage to the list of free pages: a commit would write to pages that are in use. Each damage is
// of the stopped server's file, in one chosen way.
#include "storage/lmdb/lmdb_free_pages.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <string>

#include "storage/base/encoding.h"
#include "storage/lmdb/lmdb_environment.h"
#include "tests/storage/support/lmdb_pages.h"
#include "tests/storage/support/temporary_directory.h"

namespace quorate::storage {
namespace {

using Node = LmdbPages::Node;

class FreeList : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(Environment::Create(path_, {}).ok());
    const auto opened = Environment::Open(path_, {});
    ASSERT_TRUE(opened.ok()) << opened.error();
    file_ = opened.value()->file();
    // Each commit but the first leaves free pages behind, and a later one uses them.
    for (int commit = 0; commit < 6; ++commit) Commit(*opened.value(), std::to_string(commit));
  }
  static void Commit(const Environment& environment, const std::string& value) {
    auto transaction = WriteTransaction::Begin(environment);
    ASSERT_TRUE(transaction.ok());
    MDB_txn* const handle = transaction.value().handle();
    MDB_dbi rows = 0;
    ASSERT_EQ(mdb_dbi_open(handle, "rows", MDB_CREATE, &rows), 0);
    for (int number = 0; number < 300; ++number) {
      const std::string name = std::to_string(number);
      std::string row = name + std::string(number % 50 == 0 ? 9000 : 500, value[0]);
      MDB_val key = ToValue(name);
      MDB_val data = ToValue(row);
      ASSERT_EQ(mdb_put(handle, rows, &key, &data, 0), 0);
    }
    ASSERT_EQ(transaction.value().Commit(), 0);
  }

  std::string OpenError() const {
    const auto opened = Environment::Open(path_, {});
    return opened.ok() ? "" : opened.error();
  }
  void ExpectRefused(const std::function<void(LmdbPages& pages)>& damage, const std::string& text) {
    const LmdbPages intact(file_);
    LmdbPages pages = intact;
    damage(pages);
    pages.Save();
    EXPECT_NE(OpenError().find("the list of free pages is damaged: " + text), std::string::npos)
        << OpenError();
    intact.Save();
    EXPECT_EQ(OpenError(), "");
  }
  static Node Row(const LmdbPages& pages, size_t number) {
    return {pages.PathInFreeList().back().page, number};
  }
  static uint64_t Number(const LmdbPages& pages, const Node& row, size_t place) {
    return GetInteger<uint64_t>(pages.Data(row).data() + sizeof(uint64_t) * place);
  }
  static void SetNumber(LmdbPages& pages, const Node& row, size_t place, uint64_t number) {
    PutInteger(pages.At(pages.Data(row)) + sizeof(uint64_t) * place, number);
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_ / "";
  std::string file_;
};

TEST_F(FreeList, OfAnIntactFileIsTaken) {
  for (int i = 0; i < 20; ++i) {
    const auto opened = Environment::Open(path_, {});
    ASSERT_TRUE(opened.ok()) << opened.error();
    Commit(*opened.value(), std::to_string(i));
  }
  EXPECT_EQ(OpenError(), "");
}

TEST_F(FreeList, NamesPagesOfTheFileAlone) {
  for (const uint64_t page : {uint64_t{1} << 40, uint64_t{100'000}}) {
    ExpectRefused([&](LmdbPages& pages) { SetNumber(pages, Row(pages, 0), 1, page); },
                  "the row of commit ");
  }
  ExpectRefused(
      [](LmdbPages& pages) {
        const Node row = Row(pages, 0);
        SetNumber(pages, row, Number(pages, row, 0), 1);
      },
      "the row of commit ");
}

TEST_F(FreeList, NamesEachPageOnce) {
  ExpectRefused(
      [](LmdbPages& pages) {
        const Node row = Row(pages, 0);
        ASSERT_GE(Number(pages, row, 0), 2U);
        SetNumber(pages, row, 2, Number(pages, row, 1));
      },
      "the row of commit ");
  ExpectRefused(
      [](LmdbPages& pages) {
        const Node first = Row(pages, 0);
        const Node second = Row(pages, 1);
        ASSERT_LT(second.number, pages.NodeCount(second.page));
        SetNumber(pages, second, 0, 1);
        SetNumber(pages, second, 1, Number(pages, first, 1));
      },
      "the row of commit ");
}

TEST_F(FreeList, HasRowsOfCommitsThatWere) {
  ExpectRefused(
      [](LmdbPages& pages) { PutInteger(pages.At(pages.Key(Row(pages, 0))), uint64_t{1000}); },
      "the row of commit 1000 ");
  ExpectRefused(
      [](LmdbPages& pages) { PutInteger(pages.At(pages.Key(Row(pages, 0))), uint64_t{0}); },
      "the row of commit 0 ");
}

TEST_F(FreeList, HasRowsThatAreWhole) {
  ExpectRefused([](LmdbPages& pages) { SetNumber(pages, Row(pages, 0), 0, 5000); },
                "the row of commit ");
}

// A list of the pages that it should have, and of some that are in use.
TEST_F(FreeList, LeavesRoomForThePagesInUse) {
  ExpectRefused(
      [](LmdbPages& pages) {
        // The number of leaf pages in the record of the database.
        char* const record = pages.At(pages.Data(pages.PathInMain("rows").back()));
        PutInteger(record + 16, GetInteger<uint64_t>(record + 16) + 1000);
      },
      "");
}

}  // namespace
}  // namespace quorate::storage
