#include "consensus/types.h"

#include "consensus/crc32c.h"
#include "consensus/random.h"

namespace quorate::consensus {

Payload::Payload(std::string bytes) : crc32c_(Crc32c(bytes)) {
  if (!bytes.empty()) {
    bytes_ = std::make_shared<const std::string>(std::move(bytes));
  }
}

Payload::Payload(std::string bytes, uint32_t crc32c) : crc32c_(crc32c) {
  if (!bytes.empty()) {
    bytes_ = std::make_shared<const std::string>(std::move(bytes));
  }
}

bool Payload::Intact() const { return Crc32c(bytes()) == crc32c_; }

Chain ExtendChain(Chain before, const Entry& entry) {
  return ExtendChain(before, entry.term, entry.index, entry.kind, entry.payload.size(),
                     entry.payload.crc32c());
}

Chain ExtendChain(Chain before, Term term, Index index, EntryKind kind, size_t payload_bytes,
                  uint32_t payload_crc32c) {
  // Each step is a bijection of what came before it, so chains that differ stay different under
  // equal entries.
  uint64_t hash = before.value();
  const auto mix = [&hash](uint64_t value) { hash = Random(hash ^ value).Next(); };
  mix(term.value());
  mix(index.value());
  mix(static_cast<uint64_t>(kind) << 32 | payload_crc32c);
  mix(payload_bytes);
  return Chain(hash);
}

}  // namespace quorate::consensus
