// That memory is taken neither for each request nor for what a client merely announces. This file
// replaces the global operator new of the test program by one that counts.

#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <string>
#include <string_view>

#include "resp/request_parser.h"

namespace {

size_t bytes_allocated = 0;

}  // namespace

void* operator new(size_t bytes) {
  bytes_allocated += bytes;
  void* const memory = std::malloc(bytes);
  if (memory == nullptr) {
    throw std::bad_alloc();
  }
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace quorate::resp {
namespace {

using Status = RequestParser::Status;

// How many bytes are allocated while `input` is parsed, all at once.
size_t BytesAllocatedFor(RequestParser* parser, std::string_view input) {
  const size_t before = bytes_allocated;
  while (parser->Parse(input) == Status::kRequest) {
    input.remove_prefix(parser->consumed());
  }
  return bytes_allocated - before;
}

TEST(Allocation, NoneForRequestsLikeEarlierOnes) {
  std::string input;
  for (size_t i = 0; i < 1000; ++i) {
    input +=
        "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\nGET key\r\nSET key \"a long value\\n, "
        "quoted\"\r\n";
  }
  Limits limits;
  RequestParser parser(&limits);
  EXPECT_GT(BytesAllocatedFor(&parser, input), 0U);
  EXPECT_EQ(BytesAllocatedFor(&parser, input), 0U);
}

TEST(Allocation, NoneForWhatIsOnlyAnnounced) {
  Limits limits;
  RequestParser parser(&limits);
  EXPECT_LT(BytesAllocatedFor(&parser, "*2147483647\r\n$1\r\nx\r\n$16777216\r\n"), 1024U);
}

TEST(Allocation, WhatALargeRequestTookIsGivenBack) {
  std::string many = "*100000\r\n";
  for (size_t i = 0; i < 100000; ++i) {
    many += "$1\r\nx\r\n";
  }
  Limits limits;
  RequestParser parser(&limits);
  const size_t first = BytesAllocatedFor(&parser, many);
  EXPECT_GT(first, 100000 * sizeof(std::string_view));
  // It is allocated anew because it was freed, not because it was leaked: the sanitizer's build
  // tells the two apart.
  EXPECT_EQ(BytesAllocatedFor(&parser, many), first);
}

}  // namespace
}  // namespace quorate::resp
