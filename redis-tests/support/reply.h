// A reply as a value: what clients give to tests, and how it is read from bytes.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace quorate::redis_tests {

// What a server answered to one command, as a value that tests compare and GoogleTest prints.
struct Reply {
  enum class Kind {
    kNoReply,  // The connection was closed, or the time to wait was over; `text` says which.
    kStatus,
    kError,
    kInteger,
    kString,
    kNil,
    kArray,
    // RESP3 only. A map's elements are key, value, key, value, ...
    kMap,
    kSet,
    kPush,
    kDouble,
    kBoolean,  // `integer` is 0 or 1.
    kBigNumber,
    kVerbatim,
  };

  Kind kind = Kind::kNoReply;
  std::string text;
  int64_t integer = 0;
  std::vector<Reply> elements;

  bool operator==(const Reply&) const = default;

  bool answered() const { return kind != Kind::kNoReply; }
  bool is_error() const { return kind == Kind::kError; }
  // Whether this is an error whose first word is `code`, such as "MOVED".
  bool IsError(std::string_view code) const;
  // Of a map, or of an array of pairs: the value of the first key that is `key`; kNoReply when
  // absent.
  Reply Find(std::string_view key) const;
};

Reply NoReply(std::string reason);
Reply Status(std::string text);
Reply Error(std::string text);
Reply Integer(int64_t value);
Reply Text(std::string text);
Reply Nil();
Reply Array(std::vector<Reply> elements);

// For GoogleTest's messages: long texts are shortened, bytes that do not print are escaped.
std::ostream& operator<<(std::ostream& out, const Reply& reply);

// Reads one RESP2 or RESP3 reply from the beginning of `bytes`. Returns its length, 0 when it is
// not complete yet, and std::string_view::npos when the bytes are no reply at all.
size_t ParseReply(std::string_view bytes, Reply* reply);

// The fields of an INFO-like text: "name:value" lines.
std::vector<std::pair<std::string, std::string>> ParseFields(std::string_view text);
// The value of one such field; empty when there is none.
std::string Field(std::string_view text, std::string_view name);

}  // namespace quorate::redis_tests
