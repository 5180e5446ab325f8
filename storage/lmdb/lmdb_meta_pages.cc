#include "storage/lmdb/lmdb_meta_pages.h"

#include <cstdint>
#include <fstream>
#include <optional>

#include "storage/base/encoding.h"

namespace quorate::storage {
namespace {

// Data format 1, which all of LMDB 0.9 has: a page's header of 16 bytes; then magic u32, version
// u32, address u64, map size u64, two databases' roots of 48 bytes each, last page u64, transaction
// u64. The first root begins with the page size, u32.
constexpr size_t kMagicAt = 16;
constexpr size_t kVersionAt = 20;
constexpr size_t kPageSizeAt = 40;
constexpr size_t kTransactionAt = 144;
constexpr size_t kMetaBytes = 152;
constexpr uint32_t kMagic = 0xbeefc0de;
constexpr uint32_t kVersion = 1;

struct MetaPage {
  uint32_t page_bytes;
  uint64_t transaction;
};

std::optional<MetaPage> ReadMetaPage(std::ifstream& file, size_t offset) {
  char bytes[kMetaBytes];
  if (!file.seekg(static_cast<std::streamoff>(offset)) || !file.read(bytes, sizeof(bytes))) {
    return std::nullopt;
  }
  if (GetInteger<uint32_t>(bytes + kMagicAt) != kMagic) return std::nullopt;
  if (GetInteger<uint32_t>(bytes + kVersionAt) != kVersion) return std::nullopt;
  return MetaPage{.page_bytes = GetInteger<uint32_t>(bytes + kPageSizeAt),
                  .transaction = GetInteger<uint64_t>(bytes + kTransactionAt)};
}

}  // namespace

Status CheckMetaPages(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::optional<MetaPage> first = ReadMetaPage(file, 0);
  if (!first) return Error{path + ": this is no data file of LMDB's, or its first page is damaged"};
  const std::optional<MetaPage> second = ReadMetaPage(file, first->page_bytes);
  if (!second || second->page_bytes != first->page_bytes) {
    return Error{path + ": the file's second page is damaged"};
  }
  const uint64_t even = first->transaction;
  const uint64_t odd = second->transaction;
  if (even == 0 && odd == 0) return Ok();  // nothing has been committed yet
  if (even % 2 == 0 && (odd == even + 1 || odd + 1 == even)) return Ok();
  return Error{path + ": one of the file's first two pages is damaged: they are of the commits " +
               std::to_string(even) + " and " + std::to_string(odd) +
               ", which do not follow one another"};
}

}  // namespace quorate::storage
