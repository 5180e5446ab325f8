#include "storage/keyspace/key_slot.h"

#include <array>

namespace quorate::storage {
namespace {

constexpr uint16_t kPolynomial =
    0x1021;  // CRC16-XMODEM: initial value 0, most significant bit first

constexpr std::array<uint16_t, 256> MakeTable() {
  std::array<uint16_t, 256> table{};
  for (unsigned byte = 0; byte < table.size(); ++byte) {
    uint16_t crc = static_cast<uint16_t>(byte << 8);
    for (int bit = 0; bit < 8; ++bit) {
      crc = static_cast<uint16_t>((crc & 0x8000) != 0 ? (crc << 1) ^ kPolynomial : crc << 1);
    }
    table[byte] = crc;
  }
  return table;
}

constexpr std::array<uint16_t, 256> kTable = MakeTable();

std::string_view HashedPart(std::string_view key) {
  const size_t open = key.find('{');
  if (open == std::string_view::npos) return key;
  const size_t close = key.find('}', open + 1);
  if (close == std::string_view::npos || close == open + 1) return key;
  return key.substr(open + 1, close - open - 1);
}

}  // namespace

uint16_t KeySlot(std::string_view key) {
  uint16_t crc = 0;
  for (const char character : HashedPart(key)) {
    const uint8_t byte = static_cast<uint8_t>(character);
    crc = static_cast<uint16_t>((crc << 8) ^ kTable[(crc >> 8) ^ byte]);
  }
  return crc % kSlotCount;
}

}  // namespace quorate::storage
