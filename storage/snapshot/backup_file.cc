#include "storage/snapshot/backup_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <utility>

#include "consensus/crc32c.h"
#include "storage/base/encoding.h"
#include "storage/base/identity.h"
#include "storage/base/sealed_record.h"
#include "storage/keyspace/state_meta.h"

namespace quorate::storage {
namespace {

constexpr std::string_view kMagic = "QUORATE BACKUP\r\n";
constexpr std::string_view kEndSealName = "backup end";
constexpr size_t kEndBytes = sizeof(uint32_t) + 3 * sizeof(uint64_t);

// What is written and not yet synced: the disk is shared with the log.
constexpr uint64_t kUnsyncedBytesMax = 16 << 20;

uint32_t ChunkChecksum(uint64_t place, std::string_view rows) {
  char number[sizeof(place)];
  PutInteger(number, place);
  return consensus::Crc32c(rows, consensus::Crc32c({number, sizeof(number)}));
}

std::string EncodeEnd(uint64_t chunks, const StateMeta& meta) {
  std::string body;
  AppendInteger(&body, chunks);
  AppendInteger(&body, meta.key_count());
  AppendInteger(&body, meta.digest());
  return Seal(kEndSealName, kAnyTransaction, body);
}

}  // namespace

// --- Writing ---

BackupFileWriter::BackupFileWriter(const std::string& path)
    : path_(path), file_(path, O_WRONLY | O_CREAT | O_TRUNC) {}

Result<std::unique_ptr<BackupFileWriter>> BackupFileWriter::Create(const std::string& path,
                                                                   const StateMeta& meta) {
  std::unique_ptr<BackupFileWriter> writer(new BackupFileWriter(path));
  if (!writer->file_.is_open()) return FileError(path, "cannot be opened", errno);
  writer->meta_ = meta;
  const std::string record = EncodeStateMeta(meta, kAnyTransaction);
  std::string head(kMagic);
  AppendInteger(&head, kFormatVersion);
  AppendInteger(&head, static_cast<uint32_t>(record.size()));
  head += record;
  if (Status written = writer->Write(head); !written.ok()) return Error{written.error()};
  return writer;
}

Status BackupFileWriter::Add(std::string_view rows) {
  assert(!rows.empty());
  assert(rows.size() <= UINT32_MAX);
  std::string head;
  AppendInteger(&head, static_cast<uint32_t>(rows.size()));
  AppendInteger(&head, ChunkChecksum(chunks_, rows));
  ++chunks_;
  if (Status written = Write(head); !written.ok()) return written;
  if (Status written = Write(rows); !written.ok()) return written;
  return end_ - synced_ > kUnsyncedBytesMax ? Sync() : Ok();
}

Status BackupFileWriter::Finish() {
  std::string end;
  AppendInteger(&end, uint32_t{0});
  end += EncodeEnd(chunks_, meta_);
  if (Status written = Write(end); !written.ok()) return written;
  return Sync();
}

Status BackupFileWriter::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written =
        pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(end_));
    if (written < 0) return FileError(path_, "cannot be written", errno);
    end_ += static_cast<uint64_t>(written);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return Ok();
}

Status BackupFileWriter::Sync() {
  if (fsync(file_.get()) != 0) return FileError(path_, "cannot be synced", errno);
  synced_ = end_;
  return Ok();
}

// --- Reading ---

BackupReader::BackupReader(const std::string& path) : path_(path), file_(path, O_RDONLY) {}

Result<std::unique_ptr<BackupReader>> BackupReader::Open(const std::string& path) {
  std::unique_ptr<BackupReader> reader(new BackupReader(path));
  if (!reader->file_.is_open()) return FileError(path, "cannot be opened", errno);
  const Result<size_t> bytes = FileBytes(path);
  if (!bytes.ok()) return Error{bytes.error()};
  reader->file_bytes_ = bytes.value();
  if (Status read = reader->ReadHead(); !read.ok()) return Error{read.error()};
  return reader;
}

Status BackupReader::ReadHead() {
  const Result<std::string> magic = Read(kMagic.size());
  if (!magic.ok()) return Error{magic.error()};
  if (magic.value() != kMagic) return Damaged(0, "is no backup of Quorate's");
  const Result<std::string> sizes = Read(2 * sizeof(uint32_t));
  if (!sizes.ok()) return Error{sizes.error()};
  FieldReader fields(sizes.value());
  const auto format_version = fields.Take<uint32_t>();
  if (format_version != kFormatVersion) return Error{path_ + ": " + UnknownFormat(format_version)};
  const uint64_t record_at = at_;
  const Result<std::string> record = Read(fields.Take<uint32_t>());
  if (!record.ok()) return Error{record.error()};
  Decoded<StateMeta> meta = DecodeStateMeta(record.value(), kAnyTransaction);
  if (!meta && meta.why() == Unreadable::kNewer) {
    return Error{path_ + ": the backup " + kWrittenByNewer};
  }
  if (!meta) return Damaged(record_at, "the head is damaged: its checksum is wrong");
  meta_ = std::move(*meta);
  return Ok();
}

Result<std::optional<std::string>> BackupReader::Next() {
  const uint64_t chunk_at = at_;
  const Result<std::string> size = Read(sizeof(uint32_t));
  if (!size.ok()) return Error{size.error()};
  const auto bytes = GetInteger<uint32_t>(size.value().data());
  if (bytes == 0) {
    if (Status checked = CheckEnd(); !checked.ok()) return Error{checked.error()};
    return std::optional<std::string>();
  }
  const Result<std::string> checksum = Read(sizeof(uint32_t));
  if (!checksum.ok()) return Error{checksum.error()};
  Result<std::string> rows = Read(bytes);
  if (!rows.ok()) return Error{rows.error()};
  if (GetInteger<uint32_t>(checksum.value().data()) != ChunkChecksum(chunks_, rows.value())) {
    return Damaged(chunk_at, "a chunk is damaged: its checksum is wrong");
  }
  ++chunks_;
  return std::optional<std::string>(std::move(rows.value()));
}

Status BackupReader::CheckEnd() {
  const uint64_t end_at = at_;
  const Result<std::string> end = Read(kEndBytes);
  if (!end.ok()) return Error{end.error()};
  if (end.value() != EncodeEnd(chunks_, meta_)) {
    return Damaged(end_at, "the end is damaged, or not of this backup");
  }
  if (at_ != file_bytes_) return Damaged(at_, "something follows the end");
  return Ok();
}

Result<std::string> BackupReader::Read(size_t size) {
  // Before any memory is taken for it.
  if (size > file_bytes_ - at_) return Damaged(at_, "the file is cut short, or damaged");
  std::string bytes(size, '\0');
  for (size_t done = 0; done < size;) {
    const ssize_t got =
        pread(file_.get(), bytes.data() + done, size - done, static_cast<off_t>(at_ + done));
    if (got < 0) return FileError(path_, "cannot be read", errno);
    if (got == 0) return Damaged(at_ + done, "the file is cut short");
    done += static_cast<size_t>(got);
  }
  at_ += size;
  return bytes;
}

Error BackupReader::Damaged(uint64_t at, std::string_view how) const {
  return Error{path_ + ": byte " + std::to_string(at) + ": " + std::string(how)};
}

}  // namespace quorate::storage
