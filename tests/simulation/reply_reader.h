// The replies that a client receives, RESP2, taken off the bytes as they arrive.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace quorate::simulation {

struct Reply {
  enum class Type : uint8_t { kSimple, kError, kInteger, kBulk, kNull, kArray };
  Type type = Type::kNull;
  std::string text;  // kSimple, kError, kBulk
  int64_t integer = 0;
  std::vector<Reply> elements;

  bool operator==(const Reply&) const = default;
};

class ReplyReader {
 public:
  void Feed(std::string_view bytes) { received_ += bytes; }
  // The next whole reply; nothing while it has not arrived.
  std::optional<Reply> Next();
  // These bytes are no replies.
  bool failed() const { return failed_; }
  // Bytes of a reply that has not arrived as a whole.
  bool empty() const { return received_.empty(); }

 private:
  // Nothing: incomplete, or failed.
  std::optional<Reply> Parse(size_t* position);
  std::optional<std::string_view> Line(size_t* position);

  std::string received_;
  bool failed_ = false;
};

}  // namespace quorate::simulation
