// Fuzz target: the bytes of a client's connection.
//
// The input: one byte of switches, one byte that says how the stream is cut, the stream.
#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "resp/command_encoder.h"
#include "resp/request_parser.h"

namespace quorate::resp {
namespace {

enum Switches : uint8_t {
  kUnauthenticated = 1,
  kTightLimits = 2,  // so small that short inputs reach them
};

using Arguments = std::vector<std::string>;

struct Parsed {
  std::vector<Arguments> requests;
  std::vector<std::string> raw;
  std::string error;

  bool operator==(const Parsed&) const = default;
};

Limits LimitsFor(uint8_t switches) {
  Limits limits;
  if ((switches & kTightLimits) != 0) {
    limits.bulk_bytes_max = 20;
    limits.multibulk_count_max = 12;
    limits.inline_bytes_max = 32;
    limits.unauthenticated_multibulk_count_max = 3;
    limits.unauthenticated_bulk_bytes_max = 10;
  }
  return limits;
}

// A client whose bytes arrive in pieces, in a buffer that moves with every piece.
class Client {
 public:
  explicit Client(uint8_t switches) : limits_(LimitsFor(switches)), parser_(&limits_) {
    parser_.set_unauthenticated((switches & kUnauthenticated) != 0);
  }

  // Whether the client may go on.
  bool Receive(std::string_view piece) {
    Move(size_ + piece.size());
    std::copy(piece.begin(), piece.end(), bytes_.get() + size_);
    size_ += piece.size();

    std::string_view input(bytes_.get(), size_);
    RequestParser::Status status = parser_.Parse(input);
    for (; status == RequestParser::Status::kRequest; status = parser_.Parse(input)) {
      // What was said to be wanted was not too much.
      assert(input.size() >= wanted_);
      wanted_ = 0;
      assert(parser_.consumed() > 0);
      assert(parser_.consumed() <= input.size());
      Note(input.substr(0, parser_.consumed()));
      input.remove_prefix(parser_.consumed());
    }
    if (status == RequestParser::Status::kError) {
      parsed_.error = parser_.error();
      assert(parsed_.error.starts_with("ERR Protocol error: "));
      assert(parser_.Parse(input) == RequestParser::Status::kError);
      assert(parser_.error() == parsed_.error);
      return false;
    }
    assert(parser_.consumed() <= input.size());
    input.remove_prefix(parser_.consumed());
    wanted_ = parser_.bytes_wanted();
    assert(wanted_ > input.size());
    Drop(input.size());
    return true;
  }

  const Parsed& parsed() const { return parsed_; }

 private:
  void Note(std::string_view consumed) {
    const Request& request = parser_.request();
    assert(!request.arguments.empty());
    assert(!request.raw.empty());
    // Only what is skipped in silence may stand before the request.
    assert(request.raw.data() >= consumed.data());
    assert(request.raw.data() + request.raw.size() == consumed.data() + consumed.size());
    parsed_.requests.emplace_back(request.arguments.begin(), request.arguments.end());
    if (!request.is_inline) {
      parsed_.raw.emplace_back(request.raw);
    }
  }

  // To memory of exactly `bytes`, so that a sanitizer sees a read past it.
  void Move(size_t bytes) {
    auto moved = std::make_unique<char[]>(bytes);
    std::copy_n(bytes_.get(), size_, moved.get());
    bytes_ = std::move(moved);
  }

  // All but the last `kept` bytes.
  void Drop(size_t kept) {
    auto moved = std::make_unique<char[]>(kept);
    std::copy_n(bytes_.get() + (size_ - kept), kept, moved.get());
    bytes_ = std::move(moved);
    size_ = kept;
  }

  Limits limits_;
  RequestParser parser_;
  std::unique_ptr<char[]> bytes_;
  size_t size_ = 0;
  size_t wanted_ = 0;
  Parsed parsed_;
};

Parsed ParseInPieces(std::string_view stream, uint8_t switches, size_t piece_bytes) {
  Client client(switches);
  for (size_t at = 0; at < stream.size(); at += piece_bytes) {
    if (!client.Receive(stream.substr(at, piece_bytes))) {
      break;
    }
  }
  return client.parsed();
}

// What is in the log can be read again, and says the same.
void CheckEncoding(const Arguments& request) {
  const std::vector<std::string_view> arguments(request.begin(), request.end());
  std::string encoded;
  AppendCommand(arguments, &encoded);
  assert(encoded.size() == EncodedCommandBytes(arguments));
  const Parsed again = ParseInPieces(encoded, 0, encoded.size());
  assert(again.error.empty());
  assert(again.requests == std::vector<Arguments>{request});
}

void Check(uint8_t switches, uint8_t cut, std::string_view stream) {
  const Parsed parsed = ParseInPieces(stream, switches, std::max<size_t>(stream.size(), 1));
  // However the network cuts it.
  assert(ParseInPieces(stream, switches, size_t{cut} + 1) == parsed);
  assert(ParseInPieces(stream, switches, 1) == parsed);

  for (const Arguments& request : parsed.requests) {
    CheckEncoding(request);
  }
  // The raw bytes of a request go into the log as they are: they must read the same there.
  for (const std::string& raw : parsed.raw) {
    const Parsed again = ParseInPieces(raw, 0, raw.size());
    assert(again.error.empty());
    assert(again.requests.size() == 1);
    assert(std::find(parsed.requests.begin(), parsed.requests.end(), again.requests[0]) !=
           parsed.requests.end());
  }
}

}  // namespace
}  // namespace quorate::resp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size >= 2) {
    quorate::resp::Check(data[0], data[1],
                         std::string_view(reinterpret_cast<const char*>(data + 2), size - 2));
  }
  return 0;
}
