#include "resp/request_parser.h"

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <limits>

#include "resp/integer.h"
#include "resp/split_arguments.h"

namespace quorate::resp {
namespace {

// What a parser keeps from request to request. There is one for every connection, so a single large
// request must not cost memory for as long as its connection lives.
constexpr size_t kArgumentsKeptMax = 256;
constexpr size_t kUnescapedBytesKeptMax = 1024;

// The digits that ReadPlainLength looks at: any such number fits in 64 bits.
constexpr size_t kPlainDigitsMax = 18;
constexpr size_t kInlineBytesMaxLeast = 32;
static_assert(kPlainDigitsMax + 1 < kInlineBytesMaxLeast);

// A CR and any other byte end a line or an argument: Redis does not look at the latter.
constexpr size_t kLineEndBytes = 2;

// Reads a length line as well-behaved clients write it, from behind its type byte: a few digits, CR
// LF. Returns what follows the line. Null if the line is anything else, incomplete for one:
// ReadLine and ParseInteger are to judge then.
inline const char* ReadPlainLength(const char* line, const char* input_end, size_t* length) {
  const char* const digits_end =
      line + std::min<size_t>(kPlainDigitsMax, static_cast<size_t>(input_end - line));
  const char* byte = line;
  size_t value = 0;
  while (byte < digits_end && *byte >= '0' && *byte <= '9') {
    value = value * 10 + static_cast<size_t>(*byte - '0');
    ++byte;
  }
  if (byte == line || (*line == '0' && byte - line > 1)) {
    return nullptr;
  }
  if (input_end - byte < static_cast<ptrdiff_t>(kLineEndBytes) || *byte != '\r') {
    return nullptr;
  }
  *length = value;
  return byte + kLineEndBytes;
}

}  // namespace

Limits Limits::None() {
  Limits limits;
  limits.bulk_bytes_max = std::numeric_limits<int64_t>::max();
  return limits;
}

RequestParser::RequestParser(const Limits* limits) : limits_(limits) {
  assert(limits != nullptr);
  assert(limits->inline_bytes_max >= kInlineBytesMaxLeast);
}

RequestParser::Status RequestParser::Parse(std::string_view input) {
  if (!error_.empty()) {
    return Status::kError;
  }
  ReleaseExcessMemory();
  consumed_ = 0;
  while (consumed_ < input.size()) {
    const std::string_view request = input.substr(consumed_);
    const bool is_array = request[0] == '*';
    switch (is_array ? ParseArray(request) : ParseInline(request)) {
      case Step::kFailed:
        return Status::kError;
      case Step::kNeedMore:
        bytes_wanted_ =
            bulk_bytes_.has_value() ? position_ + *bulk_bytes_ + kLineEndBytes : request.size() + 1;
        return Status::kNeedMore;
      case Step::kDone:
        break;
    }
    const size_t argument_count = arguments_complete_;
    const size_t request_bytes = position_;
    StartRequest();
    consumed_ += request_bytes;
    if (argument_count > 0) {
      request_.arguments = std::span(arguments_).first(argument_count);
      request_.raw = request.substr(0, request_bytes);
      request_.is_inline = !is_array;
      return Status::kRequest;
    }
  }
  bytes_wanted_ = 1;
  return Status::kNeedMore;
}

RequestParser::Step RequestParser::ParseArray(std::string_view request) {
  const char* const base = request.data();
  const char* const end = base + request.size();

  if (!argument_count_.has_value()) {
    const Step step = ReadCount(request);
    if (step != Step::kDone) {
      return step;
    }
  }

  // The state is in local variables while arguments are whole, which is where the time goes.
  const size_t count = *argument_count_;
  const size_t plain_bytes_max =
      unauthenticated_ ? std::min(limits_->bulk_bytes_max, limits_->unauthenticated_bulk_bytes_max)
                       : limits_->bulk_bytes_max;
  const char* byte = base + position_;
  size_t complete = arguments_complete_;
  while (complete < count) {
    size_t length = 0;
    const char* content = nullptr;
    if (!bulk_bytes_.has_value() && byte < end && *byte == '$') {
      content = ReadPlainLength(byte + 1, end, &length);
    }
    if (content == nullptr || length > plain_bytes_max) {
      // The length is known from an earlier call, is not all there yet, or needs a closer look.
      position_ = static_cast<size_t>(byte - base);
      arguments_complete_ = complete;
      if (!bulk_bytes_.has_value()) {
        const Step step = ReadBulkLength(request);
        if (step != Step::kDone) {
          return step;
        }
      }
      content = base + position_;
      length = *bulk_bytes_;
      bulk_bytes_.reset();
    }
    const size_t available = static_cast<size_t>(end - content);
    if (available < kLineEndBytes || available - kLineEndBytes < length) {
      position_ = static_cast<size_t>(content - base);
      arguments_complete_ = complete;
      bulk_bytes_ = length;
      return Step::kNeedMore;
    }
    if (complete == positions_.size()) {
      positions_.emplace_back();
    }
    positions_[complete] = {static_cast<size_t>(content - base), length};
    ++complete;
    byte = content + length + kLineEndBytes;
  }
  position_ = static_cast<size_t>(byte - base);
  arguments_complete_ = complete;

  if (arguments_.size() < complete) {
    arguments_.resize(complete);
  }
  for (size_t i = 0; i < complete; ++i) {
    arguments_[i] = std::string_view(base + positions_[i].offset, positions_[i].length);
  }
  return Step::kDone;
}

RequestParser::Step RequestParser::ReadCount(std::string_view request) {
  const size_t plain_count_max =
      unauthenticated_
          ? std::min(limits_->multibulk_count_max, limits_->unauthenticated_multibulk_count_max)
          : limits_->multibulk_count_max;
  size_t plain_count = 0;
  const char* const after =
      ReadPlainLength(request.data() + 1, request.data() + request.size(), &plain_count);
  if (after != nullptr && plain_count <= plain_count_max) {
    position_ = static_cast<size_t>(after - request.data());
    argument_count_ = plain_count;
    return Step::kDone;
  }

  std::string_view line;
  const Step step = ReadLine(request, '\r', "too big mbulk count string", &line);
  if (step != Step::kDone) {
    return step;
  }
  const std::optional<int64_t> count = ParseInteger(line.substr(1));
  if (!count.has_value()) {
    return Fail("invalid multibulk length");
  }
  if (*count > 0 && static_cast<size_t>(*count) > limits_->multibulk_count_max) {
    return Fail("invalid multibulk length");
  }
  if (unauthenticated_ && *count > 0 &&
      static_cast<size_t>(*count) > limits_->unauthenticated_multibulk_count_max) {
    return Fail("unauthenticated multibulk length");
  }
  position_ += line.size() + kLineEndBytes;
  argument_count_ = *count > 0 ? static_cast<size_t>(*count) : 0;
  return Step::kDone;
}

RequestParser::Step RequestParser::ReadBulkLength(std::string_view request) {
  std::string_view line;
  const Step step = ReadLine(request, '\r', "too big bulk count string", &line);
  if (step != Step::kDone) {
    return step;
  }
  const char type = request[position_];
  if (type != '$') {
    return Fail(std::string("expected '$', got '") + type + "'");
  }
  const std::optional<int64_t> length = ParseInteger(line.substr(1));
  if (!length.has_value() || *length < 0 ||
      static_cast<size_t>(*length) > limits_->bulk_bytes_max) {
    return Fail("invalid bulk length");
  }
  if (unauthenticated_ && static_cast<size_t>(*length) > limits_->unauthenticated_bulk_bytes_max) {
    return Fail("unauthenticated bulk length");
  }
  position_ += line.size() + kLineEndBytes;
  bulk_bytes_ = static_cast<size_t>(*length);
  return Step::kDone;
}

RequestParser::Step RequestParser::ParseInline(std::string_view request) {
  std::string_view line;
  const Step step = ReadLine(request, '\n', "too big inline request", &line);
  if (step != Step::kDone) {
    return step;
  }
  position_ = line.size() + 1;
  // The CR before the LF, if there is one, is a blank like any other.
  if (!SplitArguments(line, &arguments_, &unescaped_)) {
    return Fail("unbalanced quotes in request");
  }
  arguments_complete_ = arguments_.size();
  return Step::kDone;
}

// Finds the line that begins at position_ and has at most inline_bytes_max bytes before
// `terminator`; after a CR, one more byte must be there.
RequestParser::Step RequestParser::ReadLine(std::string_view request, char terminator,
                                            std::string_view error_if_too_long,
                                            std::string_view* line) {
  // A limit on where the line ends, rather than on what is there, gives the same answer however the
  // bytes are cut.
  const size_t search_end =
      std::min(request.size() - position_, limits_->inline_bytes_max + 1) + position_;
  size_t byte = std::max(scanned_, position_);
  // A zero byte stops the search for good, as it ends a string in Redis: such a line never ends,
  // and is too long in the end. scanned_ stays at the zero byte then.
  while (byte < search_end && request[byte] != terminator && request[byte] != '\0') {
    ++byte;
  }
  scanned_ = byte;
  if (byte < search_end && request[byte] == terminator) {
    if (terminator == '\r' && byte + 1 == request.size()) {
      return Step::kNeedMore;
    }
    *line = request.substr(position_, byte - position_);
    return Step::kDone;
  }
  if (request.size() - position_ > limits_->inline_bytes_max) {
    return Fail(error_if_too_long);
  }
  return Step::kNeedMore;
}

RequestParser::Step RequestParser::Fail(std::string_view message) {
  error_ = "ERR Protocol error: ";
  error_ += message;
  return Step::kFailed;
}

void RequestParser::StartRequest() {
  assert(!bulk_bytes_.has_value());
  position_ = 0;
  scanned_ = 0;
  argument_count_.reset();
  arguments_complete_ = 0;
}

void RequestParser::ReleaseExcessMemory() {
  if (arguments_.capacity() > kArgumentsKeptMax) {
    std::vector<std::string_view>().swap(arguments_);
  }
  if (arguments_complete_ == 0 && positions_.capacity() > kArgumentsKeptMax) {
    std::vector<ArgumentPosition>().swap(positions_);
  }
  if (unescaped_.capacity() > kUnescapedBytesKeptMax) {
    std::string().swap(unescaped_);
  }
}

}  // namespace quorate::resp
