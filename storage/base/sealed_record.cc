#include "storage/base/sealed_record.h"

#include "consensus/crc32c.h"
#include "storage/base/encoding.h"

namespace quorate::storage {
namespace {

uint32_t Checksum(std::string_view name, uint64_t transaction, std::string_view body) {
  char number[sizeof(transaction)];
  PutInteger(number, transaction);
  return consensus::Crc32c(body,
                           consensus::Crc32c({number, sizeof(number)}, consensus::Crc32c(name)));
}

}  // namespace

std::string Seal(std::string_view name, uint64_t transaction, std::string_view body) {
  std::string record;
  AppendInteger(&record, Checksum(name, transaction, body));
  record.append(body);
  return record;
}

std::optional<std::string_view> Unseal(std::string_view name, uint64_t transaction,
                                       std::string_view record) {
  FieldReader fields(record);
  const auto checksum = fields.Take<uint32_t>();
  if (!fields.ok()) return std::nullopt;
  const std::string_view body = record.substr(sizeof(checksum));
  if (checksum != Checksum(name, transaction, body)) return std::nullopt;
  return body;
}

}  // namespace quorate::storage
