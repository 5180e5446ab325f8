#include "storage/log_journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "consensus/crc32c.h"
#include "storage/encoding.h"

namespace quorate::storage {
namespace {

using consensus::Entry;
using consensus::HardState;
using consensus::Index;
using consensus::NodeId;
using consensus::Persist;
using consensus::Term;

// What the disk is written in, and what a direct write has to be a multiple of.
constexpr size_t kBlockBytes = 4096;
// A larger record would leave LMDB too little time to take over what is before it.
constexpr size_t kRecordsInFileMin = 4;

// A record: generation u64, position where the record before it ends u64, body bytes u64, crc32c
// u32 of these three and the body, body. Zeros up to the next block.
constexpr size_t kRecordHeaderBytes = 3 * sizeof(uint64_t) + sizeof(uint32_t);
constexpr size_t kChecksumAt = 3 * sizeof(uint64_t);

// A write in a body: which parts it has u8; term and vote u64 each; the index to truncate from u64;
// the number of entries u32, and of each its index u64, bytes of its row u64, and row.
constexpr uint8_t kHasHardState = 1;
constexpr uint8_t kHasTruncation = 2;

constexpr uint64_t RoundUp(uint64_t bytes, uint64_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

size_t EncodedBytes(const Persist& write) {
  size_t bytes = sizeof(uint8_t) + sizeof(uint32_t);
  if (write.hard_state) bytes += 2 * sizeof(uint64_t);
  if (write.truncate_from) bytes += sizeof(uint64_t);
  for (const Entry& entry : write.entries) bytes += 2 * sizeof(uint64_t) + EntryRowBytes(entry);
  return bytes;
}

size_t RecordBytes(std::span<const Persist> writes) {
  size_t bytes = kRecordHeaderBytes;
  for (const Persist& write : writes) bytes += EncodedBytes(write);
  return RoundUp(bytes, kBlockBytes);
}

char* Encode(char* to, const Persist& write) {
  const int parts =
      (write.hard_state ? kHasHardState : 0) | (write.truncate_from ? kHasTruncation : 0);
  to = PutInteger(to, static_cast<uint8_t>(parts));
  if (write.hard_state) {
    to = PutInteger(to, write.hard_state->current_term.value());
    to = PutInteger(to, write.hard_state->voted_for.value());
  }
  if (write.truncate_from) to = PutInteger(to, write.truncate_from->value());
  to = PutInteger(to, static_cast<uint32_t>(write.entries.size()));
  for (const Entry& entry : write.entries) {
    const size_t row_bytes = EntryRowBytes(entry);
    to = PutInteger(to, entry.index.value());
    to = PutInteger(to, static_cast<uint64_t>(row_bytes));
    EncodeEntryTo(to, entry);
    to += row_bytes;
  }
  return to;
}

std::optional<Entry> TakeEntry(FieldReader* fields) {
  const Index index(fields->Take<uint64_t>());
  const std::optional<EntryRow> row =
      DecodeEntryRow(index, fields->TakeBytes(fields->Take<uint64_t>()));
  if (!row || !row->PayloadIntact()) return std::nullopt;
  return Entry{.term = row->term,
               .index = index,
               .kind = row->kind,
               .payload = consensus::Payload(std::string(row->payload), row->payload_crc32c)};
}

std::optional<Persist> TakeWrite(FieldReader* fields) {
  Persist write;
  const auto parts = fields->Take<uint8_t>();
  if (parts & kHasHardState) {
    const Term term(fields->Take<uint64_t>());
    write.hard_state = HardState{term, NodeId(fields->Take<uint64_t>())};
  }
  if (parts & kHasTruncation) write.truncate_from = Index(fields->Take<uint64_t>());
  for (auto count = fields->Take<uint32_t>(); count > 0; --count) {
    std::optional<Entry> entry = TakeEntry(fields);
    if (!entry) return std::nullopt;
    write.entries.push_back(std::move(*entry));
  }
  if (!fields->ok()) return std::nullopt;
  return write;
}

uint32_t RecordChecksum(std::string_view header, std::string_view body) {
  return consensus::Crc32c(body, consensus::Crc32c(header.substr(0, kChecksumAt)));
}

// The body of the record that comes next behind that place, if it lies intact at the beginning of
// `bytes`.
std::optional<std::string_view> FindBody(std::string_view bytes, JournalMark before) {
  FieldReader fields(bytes);
  if (fields.Take<uint64_t>() != before.generation) return std::nullopt;
  if (fields.Take<uint64_t>() != before.position) return std::nullopt;
  const auto body_bytes = fields.Take<uint64_t>();
  const auto checksum = fields.Take<uint32_t>();
  const std::string_view body = fields.TakeBytes(body_bytes);
  if (!fields.ok() || checksum != RecordChecksum(bytes, body)) return std::nullopt;
  return body;
}

// Whether an intact record that comes behind `mark`, next or later, lies anywhere in the file.
bool HasRecordBehind(std::string_view file, JournalMark mark) {
  for (size_t at = 0; at + kRecordHeaderBytes <= file.size(); at += kBlockBytes) {
    const std::string_view bytes = file.substr(at);
    const auto before = GetInteger<uint64_t>(bytes.data() + sizeof(uint64_t));
    if (before >= mark.position && FindBody(bytes, {mark.generation, before})) return true;
  }
  return false;
}

std::string Unfinished(const std::string& path) { return path + ".new"; }

}  // namespace

void LogJournal::AlignedFree::operator()(char* bytes) const { std::free(bytes); }

LogJournal::LogJournal(std::string path, size_t file_bytes, uint64_t generation)
    : path_(std::move(path)), file_bytes_(file_bytes), end_{generation, 0, file_bytes} {}

Status LogJournal::Prepare(const std::string& path, size_t file_bytes) {
  assert(file_bytes % kBlockBytes == 0);
  // Under another name until it is durable: a start that ends in between, or whose sync fails,
  // leaves nothing that the next one would take for a journal.
  const std::string unfinished = Unfinished(path);
  const FileDescriptor file(unfinished, O_RDWR | O_CREAT | O_TRUNC);
  if (!file.is_open()) return FileError(unfinished, "cannot be created", errno);
  // Written, not only reserved: the first write to a block that was reserved changes the file
  // system's own records, and waits for them.
  const std::string zeros(std::min<size_t>(file_bytes, 1 << 20), '\0');
  for (size_t at = 0; at < file_bytes;) {
    const size_t size = std::min(zeros.size(), file_bytes - at);
    const ssize_t written = pwrite(file.get(), zeros.data(), size, static_cast<off_t>(at));
    if (written <= 0) {
      return FileError(unfinished, "cannot be written", written == 0 ? ENOSPC : errno);
    }
    at += static_cast<size_t>(written);
  }
  if (fsync(file.get()) != 0) return FileError(unfinished, "cannot be synced", errno);
  return Rename(unfinished, path);
}

// Syncs the folder, too: the rename may have been the last that was done.
Status LogJournal::Settle(const std::string& path) { return RemoveFile(Unfinished(path)); }

Result<std::vector<Persist>> LogJournal::Recover(const std::string& path, JournalMark from) {
  assert(from.generation != 0);
  assert(from.file_bytes > 0);
  assert(from.file_bytes % kBlockBytes == 0);
  Result<std::string> read = ReadFile(path);
  if (!read.ok()) return Error{read.error()};
  const std::string_view file = read.value();
  if (file.size() != from.file_bytes) {
    return Error{path + ": the file has " + std::to_string(file.size()) + " bytes, not the " +
                 std::to_string(from.file_bytes) + " that it was made with; the log is not " +
                 "shortened to hide this: restore the data folder, or replace this member"};
  }
  std::vector<Persist> writes;
  JournalMark mark = from;
  while (true) {
    uint64_t start = mark.position;
    std::optional<std::string_view> body = FindBody(file.substr(start % file.size()), mark);
    if (!body) {
      start = RoundUp(start, file.size());  // where it is that does not fit before the file's end
      body = FindBody(file, mark);
    }
    if (!body) break;
    FieldReader fields(*body);
    while (fields.ok() && !fields.finished()) {
      std::optional<Persist> write = TakeWrite(&fields);
      if (!write) return Error{path + ": an entry is damaged: its checksum is wrong"};
      writes.push_back(std::move(*write));
    }
    mark.position = start + RoundUp(kRecordHeaderBytes + body->size(), kBlockBytes);
  }
  if (HasRecordBehind(file, mark)) {
    return Error{path + ": the record at " + std::to_string(mark.position % file.size()) +
                 " is damaged, and there are others behind it; the log is not shortened to hide "
                 "this: restore the data folder, or replace this member"};
  }
  return writes;
}

Result<std::unique_ptr<LogJournal>> LogJournal::Open(const std::string& path, uint64_t generation) {
  assert(generation != 0);
  const Result<size_t> bytes = FileBytes(path);
  if (!bytes.ok()) return Error{bytes.error()};
  std::unique_ptr<LogJournal> journal(new LogJournal(path, bytes.value(), generation));
  // Past the page cache, where the file system can: there is nobody who reads it.
  journal->file_ = std::make_unique<FileDescriptor>(path, O_RDWR | O_DSYNC | O_DIRECT);
  if (!journal->file_->is_open() && errno == EINVAL) {
    journal->file_ = std::make_unique<FileDescriptor>(path, O_RDWR | O_DSYNC);
  }
  if (!journal->file_->is_open()) return FileError(path, "cannot be opened", errno);
  switch (TryLock(journal->file_->get())) {
    case LockAttempt::kTaken:
      return journal;
    case LockAttempt::kHeldByAnother:
      return Error{path + ": the file is in use by another process"};
    case LockAttempt::kFailed:
      break;
  }
  return FileError(path, "cannot be locked", errno);
}

bool LogJournal::Takes(std::span<const Persist> writes) const {
  return RecordBytes(writes) <= file_bytes_ / kRecordsInFileMin;
}

uint64_t LogJournal::StartOf(size_t record_bytes) const {
  const bool fits = end_.position % file_bytes_ + record_bytes <= file_bytes_;
  return fits ? end_.position : RoundUp(end_.position, file_bytes_);
}

bool LogJournal::HasRoom(std::span<const Persist> writes, JournalMark released) const {
  assert(released.generation == end_.generation);
  assert(released.position <= end_.position);
  const size_t size = RecordBytes(writes);
  return StartOf(size) + size <= released.position + file_bytes_;
}

Status LogJournal::Append(std::span<const Persist> writes) {
  if (failed_) return Error{path_ + ": an earlier write has failed"};
  const size_t size = RecordBytes(writes);
  if (size > buffer_bytes_) {
    buffer_bytes_ = std::max(size, 2 * buffer_bytes_);
    buffer_.reset(static_cast<char*>(std::aligned_alloc(kBlockBytes, buffer_bytes_)));
    assert(buffer_ != nullptr);
  }
  const uint64_t start = StartOf(size);
  char* const body = buffer_.get() + kRecordHeaderBytes;
  char* end = body;
  for (const Persist& write : writes) end = Encode(end, write);
  std::memset(end, 0, static_cast<size_t>(buffer_.get() + size - end));
  char* to = PutInteger(buffer_.get(), end_.generation);
  to = PutInteger(to, end_.position);
  to = PutInteger(to, static_cast<uint64_t>(end - body));
  PutInteger(to, RecordChecksum({buffer_.get(), kRecordHeaderBytes},
                                {body, static_cast<size_t>(end - body)}));

  for (size_t done = 0; done < size;) {
    const ssize_t written = pwrite(file_->get(), buffer_.get() + done, size - done,
                                   static_cast<off_t>(start % file_bytes_ + done));
    if (written <= 0) {
      failed_ = true;
      return FileError(path_, "cannot be written", written == 0 ? EIO : errno);
    }
    done += static_cast<size_t>(written);
  }
  end_.position = start + size;
  return Ok();
}

}  // namespace quorate::storage
