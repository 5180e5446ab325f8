#include "consensus/types.h"

#include "consensus/crc32c.h"

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

}  // namespace quorate::consensus
