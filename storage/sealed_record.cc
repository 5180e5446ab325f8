#include "storage/sealed_record.h"

#include "consensus/crc32c.h"
#include "storage/encoding.h"

namespace quorate::storage {
namespace {

uint32_t Checksum(std::string_view name, std::string_view body) {
  return consensus::Crc32c(body, consensus::Crc32c(name));
}

}  // namespace

std::string Seal(std::string_view name, std::string_view body) {
  std::string record;
  AppendInteger(&record, Checksum(name, body));
  record.append(body);
  return record;
}

std::optional<std::string_view> Unseal(std::string_view name, std::string_view record) {
  FieldReader fields(record);
  const auto checksum = fields.Take<uint32_t>();
  if (!fields.ok()) return std::nullopt;
  const std::string_view body = record.substr(sizeof(checksum));
  if (checksum != Checksum(name, body)) return std::nullopt;
  return body;
}

}  // namespace quorate::storage
