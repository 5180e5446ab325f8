#include "storage/log/log_journal.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
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
#include "storage/base/encoding.h"
#include "storage/base/sealed_record.h"

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

// The head: the sealed generation, u64, at the block's beginning; the owner, u64, in a sector of
// its own, so that neither is written with the other. Behind the head is the ring of records.
constexpr std::string_view kHeadSealName = "log journal";
constexpr size_t kHeadBytes = kBlockBytes;
constexpr size_t kOwnerAt = 2048;

constexpr const char* kNotShortened =
    "; the log is not shortened to hide this: restore the data folder, or replace this member";

// A record: generation u64, position where the record before it ends u64, body bytes u64, crc32c
// u32 of these three and the body, body. Zeros up to the next block.
constexpr size_t kRecordHeaderBytes = 3 * sizeof(uint64_t) + sizeof(uint32_t);
constexpr size_t kChecksumAt = 3 * sizeof(uint64_t);

// A write in a body: which parts it has u8; term and vote u64 each; the index to truncate from u64;
// the founding u64; the ledger's size u32, and its bytes; the number of entries u32, and of each
// its index u64, bytes of its row u64, and row.
constexpr uint8_t kHasHardState = 1;
constexpr uint8_t kHasTruncation = 2;
constexpr uint8_t kHasFounding = 4;
constexpr uint8_t kHasLedger = 8;

constexpr uint64_t RoundUp(uint64_t bytes, uint64_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

size_t EncodedBytes(const Persist& write) {
  size_t bytes = sizeof(uint8_t) + sizeof(uint32_t);
  if (write.hard_state) bytes += 2 * sizeof(uint64_t);
  if (write.truncate_from) bytes += sizeof(uint64_t);
  if (write.founding) bytes += sizeof(uint64_t);
  if (write.ledger) bytes += sizeof(uint32_t) + write.ledger->size();
  for (const Entry& entry : write.entries) bytes += 2 * sizeof(uint64_t) + EntryRowBytes(entry);
  return bytes;
}

size_t RecordBytes(std::span<const Persist> writes) {
  size_t bytes = kRecordHeaderBytes;
  for (const Persist& write : writes) bytes += EncodedBytes(write);
  return RoundUp(bytes, kBlockBytes);
}

char* Encode(char* to, const Persist& write) {
  const int parts = (write.hard_state ? kHasHardState : 0) |
                    (write.truncate_from ? kHasTruncation : 0) |
                    (write.founding ? kHasFounding : 0) | (write.ledger ? kHasLedger : 0);
  to = PutInteger(to, static_cast<uint8_t>(parts));
  if (write.hard_state) {
    to = PutInteger(to, write.hard_state->current_term.value());
    to = PutInteger(to, write.hard_state->voted_for.value());
  }
  if (write.truncate_from) to = PutInteger(to, write.truncate_from->value());
  if (write.founding) to = PutInteger(to, write.founding->value());
  if (write.ledger) {
    to = PutInteger(to, static_cast<uint32_t>(write.ledger->size()));
    to = std::copy(write.ledger->begin(), write.ledger->end(), to);
  }
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
               .payload = consensus::Payload(std::string(row->payload), row->payload_crc32c),
               .chain = row->chain};
}

std::optional<Persist> TakeWrite(FieldReader* fields) {
  Persist write;
  const auto parts = fields->Take<uint8_t>();
  if (parts & kHasHardState) {
    const Term term(fields->Take<uint64_t>());
    write.hard_state = HardState{term, NodeId(fields->Take<uint64_t>())};
  }
  if (parts & kHasTruncation) write.truncate_from = Index(fields->Take<uint64_t>());
  if (parts & kHasFounding) write.founding = consensus::FoundingId(fields->Take<uint64_t>());
  if (parts & kHasLedger) write.ledger = fields->TakeBytes(fields->Take<uint32_t>());
  for (auto count = fields->Take<uint32_t>(); count > 0; --count) {
    std::optional<Entry> entry = TakeEntry(fields);
    if (!entry) return std::nullopt;
    write.entries.push_back(std::move(*entry));
  }
  if (!fields->ok()) return std::nullopt;
  return write;
}

// Where in the file a record of that position lies.
size_t OffsetOf(uint64_t position, size_t file_bytes) {
  return kHeadBytes + position % (file_bytes - kHeadBytes);
}

std::string EncodeHead(uint64_t generation) {
  std::string body;
  AppendInteger(&body, generation);
  return Seal(kHeadSealName, kAnyTransaction, body);
}

bool HasHeadOf(std::string_view file, uint64_t generation) {
  const std::string head = EncodeHead(generation);
  return file.substr(0, head.size()) == head;
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
  for (size_t at = kHeadBytes; at + kRecordHeaderBytes <= file.size(); at += kBlockBytes) {
    const std::string_view bytes = file.substr(at);
    const auto before = GetInteger<uint64_t>(bytes.data() + sizeof(uint64_t));
    if (before >= mark.position && FindBody(bytes, {mark.generation, before})) return true;
  }
  return false;
}

// Whether an intact record that ends at `mark` lies anywhere in the file.
bool HasRecordThatEndsAt(std::string_view file, JournalMark mark) {
  for (size_t at = kHeadBytes; at + kRecordHeaderBytes <= file.size(); at += kBlockBytes) {
    const std::string_view bytes = file.substr(at);
    const auto before = GetInteger<uint64_t>(bytes.data() + sizeof(uint64_t));
    if (before >= mark.position) continue;
    const auto body = FindBody(bytes, {mark.generation, before});
    if (!body) continue;
    // It begins where the one before it ends, or at the beginning of the ring's next round.
    const uint64_t start =
        OffsetOf(before, file.size()) == at ? before : RoundUp(before, file.size() - kHeadBytes);
    if (start + RoundUp(kRecordHeaderBytes + body->size(), kBlockBytes) == mark.position) {
      return true;
    }
  }
  return false;
}

Status WriteAll(const FileDescriptor& file, const std::string& path, std::string_view bytes,
                size_t at) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t written =
        pwrite(file.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(at + done));
    if (written <= 0) return FileError(path, "cannot be written", written == 0 ? EIO : errno);
    done += static_cast<size_t>(written);
  }
  return Ok();
}

std::string Unfinished(const std::string& path) { return path + ".new"; }

}  // namespace

void LogJournal::AlignedFree::operator()(char* bytes) const { std::free(bytes); }

LogJournal::LogJournal(std::string path, size_t file_bytes, uint64_t generation, uint64_t owner)
    : path_(std::move(path)),
      file_bytes_(file_bytes),
      owner_(owner),
      end_{generation, 0, file_bytes} {}

LogJournal::~LogJournal() {
  if (head_ != nullptr) munmap(const_cast<char*>(head_), kHeadBytes);
}

size_t LogJournal::ring_bytes() const { return file_bytes_ - kHeadBytes; }

Status LogJournal::Prepare(const std::string& path, size_t file_bytes, uint64_t owner) {
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
  char bytes[sizeof(owner)];
  PutInteger(bytes, owner);
  if (Status put = WriteAll(file, unfinished, {bytes, sizeof(bytes)}, kOwnerAt); !put.ok()) {
    return put;
  }
  if (fsync(file.get()) != 0) return FileError(unfinished, "cannot be synced", errno);
  return Rename(unfinished, path);
}

Status LogJournal::Claim(const std::string& path, uint64_t owner) {
  const Result<size_t> file_bytes = FileBytes(path);
  if (!file_bytes.ok()) return Error{file_bytes.error()};
  if (file_bytes.value() < kHeadBytes) return Ok();
  // Through the page cache, which is where the other process looks.
  const FileDescriptor file(path, O_RDWR | O_DSYNC);
  if (!file.is_open()) return FileError(path, "cannot be opened", errno);
  char bytes[sizeof(owner)];
  PutInteger(bytes, owner);
  return WriteAll(file, path, {bytes, sizeof(bytes)}, kOwnerAt);
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
                 std::to_string(from.file_bytes) + " that it was made with" + kNotShortened};
  }
  if (!HasHeadOf(file, from.generation)) {
    return Error{path + ": the file is damaged, or is not the journal that this log was written " +
                 "with: an older copy, or another log's" + kNotShortened};
  }
  const size_t ring_bytes = file.size() - kHeadBytes;
  std::vector<Persist> writes;
  JournalMark mark = from;
  while (true) {
    uint64_t start = mark.position;
    std::optional<std::string_view> body =
        FindBody(file.substr(OffsetOf(start, file.size())), mark);
    if (!body) {
      start = RoundUp(start, ring_bytes);  // where it is that does not fit before the file's end
      body = FindBody(file.substr(kHeadBytes), mark);
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
    return Error{path + ": the record at " + std::to_string(OffsetOf(mark.position, file.size())) +
                 " is damaged, and there are others behind it" + kNotShortened};
  }
  // LMDB has taken over what ends at `from`, so that record was durable. It is there until the next
  // one is, which says where this one ended: a record takes at most a quarter of the file, so one
  // that is torn leaves the record before it alone.
  if (from.position > 0 && mark == from && !HasRecordThatEndsAt(file, from)) {
    return Error{
        path + ": the file is damaged, or is an older copy: it has no record that ends at " +
        std::to_string(from.position) + ", and the log was written after that one" + kNotShortened};
  }
  return writes;
}

Result<std::unique_ptr<LogJournal>> LogJournal::Open(const std::string& path, uint64_t generation,
                                                     uint64_t owner) {
  assert(generation != 0);
  const Result<size_t> bytes = FileBytes(path);
  if (!bytes.ok()) return Error{bytes.error()};
  std::unique_ptr<LogJournal> journal(new LogJournal(path, bytes.value(), generation, owner));
  // Past the page cache, where the file system can: there is nobody who reads it.
  journal->file_ = std::make_unique<FileDescriptor>(path, O_RDWR | O_DSYNC | O_DIRECT);
  if (!journal->file_->is_open() && errno == EINVAL) {
    journal->file_ = std::make_unique<FileDescriptor>(path, O_RDWR | O_DSYNC);
  }
  if (!journal->file_->is_open()) return FileError(path, "cannot be opened", errno);
  switch (TryLock(journal->file_->get())) {
    case LockAttempt::kTaken:
      break;
    case LockAttempt::kHeldByAnother:
      return Error{path + ": the file is in use by another process"};
    case LockAttempt::kFailed:
      return FileError(path, "cannot be locked", errno);
  }
  if (Status mapped = journal->MapHead(); !mapped.ok()) return Error{mapped.error()};
  if (Status begun = journal->Begin(); !begun.ok()) return Error{begun.error()};
  return journal;
}

Status LogJournal::MapHead() {
  // Where locks do not keep two processes apart, another one may be making the file at this moment.
  struct stat status;
  if (fstat(file_->get(), &status) != 0) return FileError(path_, "cannot be looked at", errno);
  if (status.st_size < static_cast<off_t>(kHeadBytes)) {
    return Error{path_ + ": the file is too short to be a journal"};
  }
  void* head = mmap(nullptr, kHeadBytes, PROT_READ, MAP_SHARED, file_->get(), 0);
  if (head == MAP_FAILED) return FileError(path_, "cannot be mapped", errno);
  head_ = static_cast<const char*>(head);
  return Ok();
}

Status LogJournal::Begin() {
  if (Status checked = CheckOwner(); !checked.ok()) return checked;
  const FileDescriptor file(path_, O_RDWR | O_DSYNC);
  if (!file.is_open()) return FileError(path_, "cannot be opened", errno);
  return WriteAll(file, path_, EncodeHead(end_.generation), 0);
}

Status LogJournal::CheckOwner() const {
  const auto* owner = reinterpret_cast<const uint64_t*>(head_ + kOwnerAt);
  char expected[sizeof(owner_)];
  PutInteger(expected, owner_);
  const uint64_t found = __atomic_load_n(owner, __ATOMIC_ACQUIRE);
  if (std::memcmp(&found, expected, sizeof(found)) == 0) return Ok();
  return Error{path_ + ": another process has opened this log: this process acknowledges nothing " +
               "more. Make sure that one server alone uses the data folder, then start it again"};
}

bool LogJournal::Takes(std::span<const Persist> writes) const {
  return RecordBytes(writes) <= file_bytes_ / kRecordsInFileMin;
}

uint64_t LogJournal::StartOf(size_t record_bytes) const {
  const bool fits = end_.position % ring_bytes() + record_bytes <= ring_bytes();
  return fits ? end_.position : RoundUp(end_.position, ring_bytes());
}

bool LogJournal::HasRoom(std::span<const Persist> writes, JournalMark released) const {
  assert(released.generation == end_.generation);
  assert(released.position <= end_.position);
  const size_t size = RecordBytes(writes);
  return StartOf(size) + size <= released.position + ring_bytes();
}

Status LogJournal::Append(std::span<const Persist> writes) {
  assert(Takes(writes));
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

  // Before the write, since it would lie over records that the new owner may have acknowledged.
  Status written = CheckOwner();
  if (written.ok()) {
    written = WriteAll(*file_, path_, {buffer_.get(), size}, OffsetOf(start, file_bytes_));
  }
  // After the write: a process that has claimed the journal before this has read it without this
  // record, or with it; one that claims it later finds it.
  if (written.ok()) written = CheckOwner();
  if (!written.ok()) {
    failed_ = true;
    return written;
  }
  end_.position = start + size;
  return Ok();
}

}  // namespace quorate::storage
