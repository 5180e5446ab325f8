// What makes the log's newest writes durable until LMDB has them: a file of fixed size, written
// round and round, one record after another, each with a single synchronous write.
//
// A durable commit of LMDB writes some ten pages here and there and waits for the disk twice. A
// record of the journal is one write in one place, to blocks that the file has already, and one
// wait. So an acknowledgement waits for the journal, and LMDB takes over many records with each of
// its commits. The log is LMDB's: it is what is read, and the journal is read only at a start, to
// give LMDB what it had not taken over yet.
//
// A record begins at a multiple of 4096 bytes and is never divided: one that does not fit before
// the file's end begins at its start. Positions count on from round to round, so each is of one
// record only; a record says where the one before it ends, and the generation, which is drawn at
// each start of the server: so nothing that lies in the file from before, or in a client's value,
// is taken for a record, and none is taken for the next where another one was in between.
//
// The file's first block is the head, which no record overwrites. It names the generation, so a
// file of zeros, or one of an earlier start, is not taken for a journal without records. It also
// names the journal's owner, the process that opened the log last: an earlier one that is still
// running sees that, and reports nothing as durable any more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "consensus/types.h"
#include "storage/base/file_system.h"
#include "storage/base/result.h"
#include "storage/log/log_record.h"

namespace quorate::storage {

class LogJournal {
 public:
  // Makes the file, all of it written, in the place of an earlier one, in which nothing may be
  // needed any more. Durable. A file of that name has been made to its end.
  static Status Prepare(const std::string& path, size_t file_bytes, uint64_t owner);
  // Ends what a Prepare that was interrupted has begun. Before anything rests on the file.
  static Status Settle(const std::string& path);

  // Makes `owner` the owner of the journal by that name. Returns after any other process can see
  // it: what that one has not reported as durable by then, it never will; what it has, Recover
  // finds. A file too short to have a head is left alone.
  static Status Claim(const std::string& path, uint64_t owner);

  // The writes of all records from `from` on. An error when there is a record behind one that is
  // not intact: a record is begun only when all before it are durable, so that one was
  // acknowledged. One that is not intact and is the last was not finished when the server stopped.
  // Also an error when the file is not that generation's, or does not reach to `from`, as an older
  // copy of it does not.
  static Result<std::vector<consensus::Persist>> Recover(const std::string& path, JournalMark from);

  // Begins the generation at position 0, durably, in a file that Prepare has made and nothing is
  // needed of any more. `owner` has claimed it.
  static Result<std::unique_ptr<LogJournal>> Open(const std::string& path, uint64_t generation,
                                                  uint64_t owner);
  ~LogJournal();

  // Whether the writes are small enough for one record in an empty journal with room to spare.
  bool Takes(std::span<const consensus::Persist> writes) const;
  // Whether there is room for them, with `released` as the place up to which LMDB has all.
  bool HasRoom(std::span<const consensus::Persist> writes, JournalMark released) const;
  // Makes them durable as one record. Precondition: Takes and HasRoom. After an error nothing of it
  // counts, and each further call fails: see LogStore::Commit. Fails when the journal has another
  // owner.
  Status Append(std::span<const consensus::Persist> writes);

  // The end of the last record.
  JournalMark end() const { return end_; }
  size_t file_bytes() const { return file_bytes_; }

 private:
  struct AlignedFree {
    void operator()(char* bytes) const;
  };

  LogJournal(std::string path, size_t file_bytes, uint64_t generation, uint64_t owner);
  Status Begin();
  Status MapHead();
  Status CheckOwner() const;
  size_t ring_bytes() const;
  // Where a record of that size begins that comes next.
  uint64_t StartOf(size_t record_bytes) const;

  const std::string path_;
  const size_t file_bytes_;
  const uint64_t owner_;
  std::unique_ptr<FileDescriptor> file_;
  const char* head_ = nullptr;  // the file's first block, as all processes see it
  JournalMark end_;
  std::unique_ptr<char, AlignedFree> buffer_;
  size_t buffer_bytes_ = 0;
  bool failed_ = false;
};

}  // namespace quorate::storage
