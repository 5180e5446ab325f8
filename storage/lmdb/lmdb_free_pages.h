// A look at LMDB's list of free pages, which the next commits write to. LMDB believes it without a
// check: a page that is in use and stands in the list is overwritten, however intact it is.
#pragma once

#include "storage/base/result.h"
#include "storage/lmdb/lmdb_environment.h"

namespace quorate::storage {

// Reads the whole list, and verifies what LMDB always keeps to: each of its rows is of a commit
// that was, and names pages in descending order; each page is one of the file's and is named once;
// and the free pages and those that the databases count as their own are no more than the file has.
// It reads no page of the databases but the records that say how many pages each has.
//
// What it cannot tell is a list that keeps to all this, as an older version of one of its pages
// may.
Status CheckFreePages(const Environment& environment);

}  // namespace quorate::storage
