#include "src/requests/reply_queue.h"

#include <gtest/gtest.h>

namespace quorate {
namespace {

auto Say(int64_t number) {
  return [number](resp::ReplyWriter& writer) { writer.Integer(number); };
}

TEST(ReplyQueue, KeepsTheOrderOfRequestsWhateverTheOrderOfAnswers) {
  ReplyQueue queue;
  const auto first = queue.Reserve(resp::Protocol::kResp2);
  const auto second = queue.Reserve(resp::Protocol::kResp2);
  EXPECT_EQ(queue.Reply(resp::Protocol::kResp2, Say(3)), ":3\r\n");
  const auto fourth = queue.Reserve(resp::Protocol::kResp2);
  EXPECT_EQ(queue.Answer(second, Say(2)), ":2\r\n");
  EXPECT_EQ(queue.output(), "");
  EXPECT_EQ(queue.waiting(), 4u);
  EXPECT_EQ(queue.bytes(), 8u) << "what is kept counts";
  EXPECT_EQ(queue.Answer(first, Say(1)), ":1\r\n");
  EXPECT_EQ(queue.output(), ":1\r\n:2\r\n:3\r\n");
  EXPECT_EQ(queue.waiting(), 1u);
  queue.Answer(fourth, Say(4));
  EXPECT_EQ(queue.output(), ":1\r\n:2\r\n:3\r\n:4\r\n");
  EXPECT_EQ(queue.waiting(), 0u);
  EXPECT_EQ(queue.bytes(), queue.output().size());
}

TEST(ReplyQueue, AnswersInTheProtocolOfTheRequest) {
  ReplyQueue queue;
  const auto before = queue.Reserve(resp::Protocol::kResp2);
  const auto after = queue.Reserve(resp::Protocol::kResp3);
  const auto null = [](resp::ReplyWriter& writer) { writer.Null(); };
  queue.Answer(after, null);
  queue.Answer(before, null);
  EXPECT_EQ(queue.output(), "$-1\r\n_\r\n");
}

}  // namespace
}  // namespace quorate
