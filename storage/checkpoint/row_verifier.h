// Verifies rows of the state as a cursor goes through them in order: what each row says, that keys
// ascend, and that the way down from the root leads to them. LMDB's pages have no checksums, and a
// separator that is damaged hides rows from a lookup, though a cursor still passes them.
#pragma once

#include <lmdb.h>

#include <cstddef>
#include <cstdint>

#include "storage/base/result.h"
#include "storage/keyspace/row_totals.h"
#include "storage/keyspace/slot_sums.h"
#include "storage/lmdb/lmdb_environment.h"

namespace quorate::storage {

class RowVerifier {
 public:
  enum class LargeValues {
    kVerify,
    // Of a row that lies in pages of its own, only the first one is read. Whoever reads the value
    // verifies it.
    kSkip,
  };

  // `rows` in that read transaction, which must outlive this.
  RowVerifier(const Environment& environment, MDB_txn* transaction, MDB_dbi rows,
              LargeValues large_values)
      : environment_(environment),
        transaction_(transaction),
        rows_(rows),
        large_values_(large_values) {}

  // The row that the cursor is at. An error names the row.
  Status Check(const MDB_val& row_key, const MDB_val& row);
  // There are no more rows.
  Status Finish();

  uint64_t key_count() const { return key_count_; }
  uint64_t header_digest() const { return header_digest_; }  // sum of HeaderDigest
  const RowTotals& totals() const { return totals_; }        // kVerify only

 private:
  // Whether a lookup from the root finds the row at this very place.
  Status CheckLookup(const MDB_val& row_key);

  const Environment& environment_;
  MDB_txn* const transaction_;
  const MDB_dbi rows_;
  const LargeValues large_values_;

  Cursor lookup_;
  MDB_val last_key_{0, nullptr};
  uint64_t key_count_ = 0;
  uint64_t header_digest_ = 0;
  RowTotals totals_;
};

// Verifies one slot's rows against its sum in the same read transaction. When this is Ok, a lookup
// of any key of the slot, in that transaction, finds the row that was written last or rightly none;
// of a large value, what it finds has yet to be verified.
Status VerifySlot(const Environment& environment, MDB_txn* transaction, MDB_dbi rows,
                  DatabaseId database, uint16_t slot);

}  // namespace quorate::storage
