#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace quorate::resp {

// The version of the protocol that a connection speaks: 2 until its client asks for 3 with HELLO.
enum class Protocol : uint8_t { kResp2 = 2, kResp3 = 3 };

// Frequent replies, the same in both versions of the protocol; for ReplyWriter::Raw.
inline constexpr std::string_view kReplyOk = "+OK\r\n";
inline constexpr std::string_view kReplyPong = "+PONG\r\n";
inline constexpr std::string_view kReplyQueued = "+QUEUED\r\n";
inline constexpr std::string_view kReplyZero = ":0\r\n";
inline constexpr std::string_view kReplyOne = ":1\r\n";
inline constexpr std::string_view kReplyEmptyBulk = "$0\r\n\r\n";
inline constexpr std::string_view kReplyEmptyArray = "*0\r\n";

// Writes replies in the form that Redis 7.0 gives them, by appending to a string of the caller's.
// What RESP3 has and RESP2 has not is written to a RESP2 client as Redis does it. A small value to
// make and throw away. One thread at a time.
class ReplyWriter {
 public:
  // `output` must outlive the writer. No argument of the functions below may point into it.
  ReplyWriter(Protocol protocol, std::string* output);

  Protocol protocol() const { return protocol_; }
  // Written so far.
  size_t bytes() const { return output_->size() - start_; }

  // Complete replies that were encoded before.
  void Raw(std::string_view encoded);

  // `text` has no CR and no LF.
  void SimpleString(std::string_view text);
  // `text` begins with its code: "ERR syntax error". Each CR and LF in it becomes a blank.
  void Error(std::string_view text);
  void Integer(int64_t value);
  void BulkString(std::string_view bytes);
  // No value where a string could be, and where an array could be; one and the same in RESP3.
  void Null();
  void NullArray();
  // RESP2: a bulk string of the same digits. 17 significant digits, "inf", "-inf" or "nan".
  void Double(double value);
  // RESP2: the integer 1 or 0.
  void Boolean(bool value);
  // `format` is three characters: "txt" or "mkd". RESP2: a bulk string of `text`.
  void VerbatimString(std::string_view format, std::string_view text);

  // Each announces elements that the caller writes next: `count` of them, for Map `count` pairs of
  // key and value. RESP2: arrays; for Map of twice the length.
  void Array(size_t count);
  void Map(size_t count);
  void Set(size_t count);
  void Push(size_t count);

 private:
  void Header(char type, int64_t number);

  std::string* output_;
  size_t start_;
  Protocol protocol_;
};

}  // namespace quorate::resp
