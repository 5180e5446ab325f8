#include "resp/reply_writer.h"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstring>

namespace quorate::resp {
namespace {

// A type byte, up to 20 characters of a 64-bit number, CR LF.
constexpr size_t kHeaderBytesMax = 23;

// Up to this length a bulk string is put together before it is appended: one append costs less than
// three.
constexpr size_t kShortBulkBytesMax = 128;

char* WriteHeader(char type, int64_t number, char* to) {
  *to = type;
  char* const end = std::to_chars(to + 1, to + kHeaderBytesMax - 2, number).ptr;
  end[0] = '\r';
  end[1] = '\n';
  return end + 2;
}

}  // namespace

ReplyWriter::ReplyWriter(Protocol protocol, std::string* output)
    : output_(output), start_(output->size()), protocol_(protocol) {}

void ReplyWriter::Raw(std::string_view encoded) { output_->append(encoded); }

void ReplyWriter::SimpleString(std::string_view text) {
  assert(text.find_first_of("\r\n") == std::string_view::npos);
  output_->push_back('+');
  output_->append(text);
  output_->append("\r\n");
}

void ReplyWriter::Error(std::string_view text) {
  output_->push_back('-');
  const size_t text_start = output_->size();
  output_->append(text);
  std::replace_if(
      output_->begin() + static_cast<ptrdiff_t>(text_start), output_->end(),
      [](char byte) { return byte == '\r' || byte == '\n'; }, ' ');
  output_->append("\r\n");
}

void ReplyWriter::Integer(int64_t value) { Header(':', value); }

void ReplyWriter::BulkString(std::string_view bytes) {
  if (bytes.size() > kShortBulkBytesMax) {
    Header('$', static_cast<int64_t>(bytes.size()));
    output_->append(bytes);
    output_->append("\r\n");
    return;
  }
  char encoded[kHeaderBytesMax + kShortBulkBytesMax + 2];
  char* end = WriteHeader('$', static_cast<int64_t>(bytes.size()), encoded);
  if (!bytes.empty()) {
    std::memcpy(end, bytes.data(), bytes.size());
    end += bytes.size();
  }
  *end++ = '\r';
  *end++ = '\n';
  output_->append(encoded, static_cast<size_t>(end - encoded));
}

void ReplyWriter::Null() { output_->append(protocol_ == Protocol::kResp3 ? "_\r\n" : "$-1\r\n"); }

void ReplyWriter::NullArray() {
  output_->append(protocol_ == Protocol::kResp3 ? "_\r\n" : "*-1\r\n");
}

void ReplyWriter::Double(double value) {
  char digits[32];
  std::string_view text = "nan";  // Without the sign that to_chars would give some of them.
  if (!std::isnan(value)) {
    const std::to_chars_result result =
        std::to_chars(digits, digits + sizeof(digits), value, std::chars_format::general, 17);
    assert(result.ec == std::errc());
    text = std::string_view(digits, static_cast<size_t>(result.ptr - digits));
  }
  if (protocol_ == Protocol::kResp2) {
    BulkString(text);
    return;
  }
  output_->push_back(',');
  output_->append(text);
  output_->append("\r\n");
}

void ReplyWriter::Boolean(bool value) {
  if (protocol_ == Protocol::kResp2) {
    Raw(value ? kReplyOne : kReplyZero);
    return;
  }
  output_->append(value ? "#t\r\n" : "#f\r\n");
}

void ReplyWriter::VerbatimString(std::string_view format, std::string_view text) {
  assert(format.size() == 3);
  if (protocol_ == Protocol::kResp2) {
    BulkString(text);
    return;
  }
  Header('=', static_cast<int64_t>(format.size() + 1 + text.size()));
  output_->append(format);
  output_->push_back(':');
  output_->append(text);
  output_->append("\r\n");
}

void ReplyWriter::Array(size_t count) { Header('*', static_cast<int64_t>(count)); }

void ReplyWriter::Map(size_t count) {
  if (protocol_ == Protocol::kResp2) {
    Array(2 * count);
    return;
  }
  Header('%', static_cast<int64_t>(count));
}

void ReplyWriter::Set(size_t count) {
  Header(protocol_ == Protocol::kResp3 ? '~' : '*', static_cast<int64_t>(count));
}

void ReplyWriter::Push(size_t count) {
  Header(protocol_ == Protocol::kResp3 ? '>' : '*', static_cast<int64_t>(count));
}

void ReplyWriter::Header(char type, int64_t number) {
  char header[kHeaderBytesMax];
  char* const end = WriteHeader(type, number, header);
  output_->append(header, static_cast<size_t>(end - header));
}

}  // namespace quorate::resp
