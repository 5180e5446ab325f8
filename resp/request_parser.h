#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quorate::resp {

// What a client may ask a parser to accept. Shared by all parsers of a server; a change applies to
// every length that is read after it.
struct Limits {
  // For what has been accepted before and is parsed again.
  static Limits None();

  // Redis's proto-max-bulk-len. Redis defaults to 512 MiB; every value here is replicated and
  // logged, hence less.
  size_t bulk_bytes_max = size_t{16} << 20;
  // Arguments of one request. Memory is taken by what was received, never by what was announced.
  size_t multibulk_count_max = 2147483647;
  // An inline command without its line end, and equally the line of a count or a length. At
  // least 32.
  size_t inline_bytes_max = size_t{64} << 10;

  // Before a client has authenticated, where that is required (see
  // RequestParser::set_unauthenticated).
  size_t unauthenticated_multibulk_count_max = 10;
  size_t unauthenticated_bulk_bytes_max = 16384;
};

// One request. All views are valid until the next call of Parse, and no longer than the parsed
// buffer stays as it is.
struct Request {
  // At least one. Any bytes; each may be empty.
  std::span<const std::string_view> arguments;
  // The request as received. If it is not inline, parsing it again gives the same arguments.
  std::string_view raw;
  bool is_inline = false;
};

// Finds the requests in the bytes that one client sent: RESP arrays of bulk strings, and inline
// commands. It behaves as Redis 7.0 does, error texts included, and its result does not depend on
// how the bytes are cut into pieces.
//
// It copies nothing but inline arguments in quotes: the views of a Request point into the caller's
// buffer. Apart from requests with more arguments than any before them, it does not allocate. Its
// cost is linear in the bytes received, however they are cut. One thread at a time.
//
// The loop of a connection:
//
//   while ((status = parser.Parse(buffer)) == Status::kRequest) {
//     Execute(parser.request());
//     buffer.remove_prefix(parser.consumed());
//   }
//   // kError: send error() and close. kNeedMore: read more, behind what this leaves.
//   buffer.remove_prefix(parser.consumed());
//
// The parser does not limit a request as a whole. With `multibulk_count_max` arguments of
// `bulk_bytes_max` each, it is the owner of the buffer who gives up (Redis's
// client-query-buffer-limit: it closes without a reply).
class RequestParser {
 public:
  enum class Status {
    kRequest,   // request() is there.
    kNeedMore,  // `input` ends before a request does.
    kError,     // The client broke the protocol: send error(), then close. No call gets further.
  };

  // `limits` must outlive the parser.
  explicit RequestParser(const Limits* limits);

  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  // `input` starts consumed() bytes after the start of the last call's input, and holds at least
  // the same bytes from there on. They may have moved in memory: between calls the parser keeps
  // offsets, not pointers.
  Status Parse(std::string_view input);

  // After kRequest.
  const Request& request() const { return request_; }

  // How many bytes of the last input are done with. After kRequest: all up to the end of the
  // request. After kNeedMore: what was skipped without a reply (empty lines, `*0`, `*-1`) before
  // the request that is still incomplete.
  size_t consumed() const { return consumed_; }

  // After kNeedMore: the size that `input` must reach (counted after dropping consumed()) before
  // Parse can get any further. More than one byte above what is there only within an argument whose
  // length is known. A client may announce up to `bulk_bytes_max` without sending it, so grow a
  // buffer towards this size by what arrives.
  size_t bytes_wanted() const { return bytes_wanted_; }

  // What it holds beside itself. Of a request with many small arguments, that is a multiple of what
  // was received.
  size_t memory_bytes() const {
    return positions_.capacity() * sizeof(ArgumentPosition) +
           arguments_.capacity() * sizeof(std::string_view) + unescaped_.capacity();
  }

  // After kError: the error reply without '-' and line end, "ERR Protocol error: ...". It may hold
  // a byte of the client's, CR and LF among them: ReplyWriter::Error replaces these.
  std::string_view error() const { return error_; }

  // Whether the tighter limits hold that Redis sets a client who has yet to give the password.
  // False at first.
  void set_unauthenticated(bool unauthenticated) { unauthenticated_ = unauthenticated; }

 private:
  struct ArgumentPosition {
    size_t offset;
    size_t length;
  };

  enum class Step { kDone, kNeedMore, kFailed };

  Step ParseArray(std::string_view request);
  Step ParseInline(std::string_view request);
  Step ReadCount(std::string_view request);
  Step ReadBulkLength(std::string_view request);
  Step ReadLine(std::string_view request, char terminator, std::string_view error_if_too_long,
                std::string_view* line);
  Step Fail(std::string_view message);
  void StartRequest();
  void ReleaseExcessMemory();

  const Limits* limits_;
  bool unauthenticated_ = false;

  // The request being received. All offsets count from its first byte.
  size_t position_ = 0;  // All before is understood. A line, or an argument's bytes, begin here.
  size_t scanned_ = 0;   // From position_ to here there is no line end.
  std::optional<size_t> argument_count_;  // As announced.
  size_t arguments_complete_ = 0;
  std::optional<size_t> bulk_bytes_;  // Of the argument whose bytes begin at position_.

  // Neither shrinks with a smaller request, so that there is nothing to clear or construct for most
  // requests: their first arguments_complete_ elements are meaningful.
  std::vector<ArgumentPosition> positions_;  // Of the request being received.
  std::vector<std::string_view> arguments_;  // Of request_.
  std::string unescaped_;                    // Of request_: its arguments in quotes.

  Request request_;
  size_t consumed_ = 0;
  size_t bytes_wanted_ = 1;
  std::string error_;
};

}  // namespace quorate::resp
