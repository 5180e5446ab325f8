#include "tests/resp/received.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>

namespace quorate::resp {
namespace {

// Buffers above this size stay where they are, or a test with a long input would only copy.
constexpr size_t kMovedBytesMax = 2048;

class Buffer {
 public:
  ~Buffer() { Overwrite(); }

  void Append(std::string_view piece) { content_.append(piece); }
  void Drop(size_t bytes) { content_.erase(0, bytes); }
  std::string_view content() const { return content_; }

  // The content, at another place than before.
  std::string_view Move() {
    Overwrite();
    block_.reset();
    if (content_.size() > kMovedBytesMax) {
      return content_;
    }
    block_ = std::make_unique<char[]>(content_.size());
    block_bytes_ = content_.size();
    std::memcpy(block_.get(), content_.data(), content_.size());
    return std::string_view(block_.get(), block_bytes_);
  }

 private:
  void Overwrite() {
    if (block_ != nullptr) {
      std::memset(block_.get(), 0xdd, block_bytes_);
    }
  }

  std::string content_;
  std::unique_ptr<char[]> block_;
  size_t block_bytes_ = 0;
};

void ExpectRawParsesToTheSame(const Request& request) {
  Limits limits;
  RequestParser parser(&limits);
  ASSERT_EQ(parser.Parse(request.raw), RequestParser::Status::kRequest);
  EXPECT_EQ(parser.consumed(), request.raw.size());
  EXPECT_TRUE(std::equal(request.arguments.begin(), request.arguments.end(),
                         parser.request().arguments.begin(), parser.request().arguments.end()));
}

void Record(const Request& request, Received* received) {
  EXPECT_FALSE(request.arguments.empty());
  received->requests.emplace_back(request.arguments.begin(), request.arguments.end());
  received->raws.emplace_back(request.raw);
  received->inlines.push_back(request.is_inline);
  ExpectRawParsesToTheSame(request);
}

}  // namespace

Received Receive(RequestParser* parser, std::string_view input,
                 const std::vector<size_t>& piece_sizes) {
  Received received;
  Buffer buffer;
  size_t bytes_wanted = 0;
  for (size_t i = 0; !input.empty(); ++i) {
    const std::string_view piece = input.substr(0, piece_sizes[i % piece_sizes.size()]);
    input.remove_prefix(piece.size());
    buffer.Append(piece);
    while (true) {
      const std::string_view content = buffer.Move();
      const RequestParser::Status status = parser->Parse(content);
      if (status == RequestParser::Status::kError) {
        received.error = parser->error();
        EXPECT_EQ(parser->Parse(content), RequestParser::Status::kError);
        EXPECT_EQ(parser->Parse("PING\r\n"), RequestParser::Status::kError);
        EXPECT_EQ(parser->error(), received.error);
        return received;
      }
      EXPECT_LE(parser->consumed(), content.size());
      if (content.size() < bytes_wanted) {
        EXPECT_EQ(status, RequestParser::Status::kNeedMore);
        EXPECT_EQ(parser->consumed(), 0U);
        EXPECT_EQ(parser->bytes_wanted(), bytes_wanted);
      }
      if (status == RequestParser::Status::kNeedMore) {
        buffer.Drop(parser->consumed());
        bytes_wanted = parser->bytes_wanted();
        EXPECT_GT(bytes_wanted, buffer.content().size());
        break;
      }
      bytes_wanted = 0;
      EXPECT_GT(parser->consumed(), 0U);
      EXPECT_EQ(content.substr(0, parser->consumed())
                    .substr(parser->consumed() - parser->request().raw.size()),
                parser->request().raw);
      Record(parser->request(), &received);
      buffer.Drop(parser->consumed());
    }
  }
  received.left = buffer.content();
  return received;
}

Received ReceiveWhole(std::string_view input) {
  Limits limits;
  RequestParser parser(&limits);
  return Receive(&parser, input, {std::max<size_t>(input.size(), 1)});
}

Received ReceiveByteByByte(std::string_view input) {
  Limits limits;
  RequestParser parser(&limits);
  return Receive(&parser, input, {1});
}

Received ReceiveInPieces(std::string_view input, uint64_t seed) {
  Limits limits;
  RequestParser parser(&limits);
  std::mt19937_64 random(seed);
  const size_t piece_bytes_max = 1 + random() % std::max<size_t>(input.size(), 1);
  std::vector<size_t> piece_sizes(64);
  for (size_t& size : piece_sizes) {
    size = 1 + random() % piece_bytes_max;
  }
  return Receive(&parser, input, piece_sizes);
}

}  // namespace quorate::resp
