#include "storage/lmdb/lmdb_records.h"

#include <cassert>
#include <optional>
#include <utility>

namespace quorate::storage {
namespace {

constexpr MDB_dbi kMainDatabase = 1;  // what LMDB gives for a name of null, always
constexpr std::string_view kIdentityName = "identity";

}  // namespace

int OpenRecords(MDB_txn* transaction) {
  MDB_dbi main = 0;
  const int code = mdb_dbi_open(transaction, nullptr, 0, &main);
  assert(code != 0 || main == kMainDatabase);
  return code;
}

int PutRecord(MDB_txn* transaction, std::string_view name, std::string_view record) {
  MDB_val key = ToValue(name);
  MDB_val value = ToValue(record);
  return mdb_put(transaction, kMainDatabase, &key, &value, 0);
}

int GetRecord(MDB_txn* transaction, std::string_view name, std::string_view* record) {
  MDB_val key = ToValue(name);
  MDB_val value;
  const int code = mdb_get(transaction, kMainDatabase, &key, &value);
  if (code == 0) *record = ToBytes(value);
  return code;
}

int DeleteRecord(MDB_txn* transaction, std::string_view name) {
  MDB_val key = ToValue(name);
  return mdb_del(transaction, kMainDatabase, &key, nullptr);
}

int PutIdentity(MDB_txn* transaction, const Identity& identity) {
  return PutRecord(transaction, kIdentityName, EncodeIdentity(identity));
}

Result<Identity> GetIdentity(MDB_txn* transaction, const Environment& environment) {
  std::string_view record;
  if (const int code = GetRecord(transaction, kIdentityName, &record)) {
    return environment.MakeError("the identity is missing", code);
  }
  std::optional<StoredIdentity> stored = DecodeIdentity(record);
  if (!stored) return environment.MakeError("the identity is damaged: its checksum is wrong");
  if (stored->format_version != kFormatVersion) {
    return environment.MakeError(UnknownFormat(stored->format_version));
  }
  return std::move(stored->identity);
}

std::string Hexadecimal(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hexadecimal;
  for (const char character : bytes) {
    const auto byte = static_cast<uint8_t>(character);
    hexadecimal += kDigits[byte >> 4];
    hexadecimal += kDigits[byte & 15];
  }
  return hexadecimal;
}

}  // namespace quorate::storage
