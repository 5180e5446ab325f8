// What a well-behaved connection carries: everything arrives as it was sent, however it is cut.
#include "consensus/codec.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "consensus/crc32c.h"
#include "tests/consensus/codec_support.h"
#include "tests/consensus/random_message.h"

namespace quorate::consensus {
namespace {

AppendEntries AppendOf(std::vector<std::string> payloads) {
  AppendEntries append;
  append.term = Term(7);
  append.prev_log_index = Index(41);
  append.prev_log_term = Term(6);
  append.prev_log_chain = Chain(0x0123456789abcdef);
  append.leader_commit = Index(40);
  for (std::string& payload : payloads) {
    const Index index = append.prev_log_index + (append.entries.size() + 1);
    append.entries.push_back({Term(7), index, EntryKind::kBatch, Payload(std::move(payload))});
  }
  return append;
}

TEST(Codec, EveryTypeArrivesAsItWasSent) {
  const uint64_t seed = 1;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  RandomMessages random(seed);
  for (size_t type = 0; type < std::variant_size_v<Message>; ++type) {
    for (int round = 0; round < 300; ++round) {
      const Message message = random.OfType(type, 20, 5000);
      ASSERT_EQ(message.index(), type);
      const Decoded decoded = DecodeIntroduced(Encode(message));
      ASSERT_EQ(decoded.failure, "") << "type " << type << ", round " << round;
      ASSERT_EQ(decoded.messages, std::vector<Message>{message})
          << "type " << type << ", round " << round;
    }
  }
}

TEST(Codec, HelloArrivesAsItWasSent) {
  const Hello hello = {0xFEDCBA9876543210, NodeId(3), NodeId(0x8000000000000001),
                       "here:1@2",         5,         FoundingId(6)};
  const Decoded decoded = Decode(Encode(hello));
  EXPECT_EQ(decoded.hellos, std::vector<Hello>{hello});
  EXPECT_TRUE(decoded.messages.empty());
}

// The checksum that was computed where the entry was made is the one that arrives.
TEST(Codec, PayloadsKeepTheirChecksum) {
  const AppendEntries append = AppendOf({"", "abc", std::string(100'000, 'x')});
  const Decoded decoded = DecodeIntroduced(Encode(Message(append)));
  ASSERT_EQ(decoded.messages.size(), 1U);
  const auto& arrived = std::get<AppendEntries>(decoded.messages[0]);
  ASSERT_EQ(arrived.entries.size(), append.entries.size());
  for (size_t position = 0; position < append.entries.size(); ++position) {
    EXPECT_EQ(arrived.entries[position].payload.crc32c(),
              append.entries[position].payload.crc32c());
    EXPECT_TRUE(arrived.entries[position].payload.Intact());
  }
}

// Servers of different builds talk to one another: a change of these bytes needs a new version.
TEST(Codec, FormatOfVersionFour) {
  using namespace std::string_view_literals;
  const auto with_sum = [](std::string_view before, std::string_view after) {
    const uint32_t sum = Crc32c(after, Crc32c(before));
    std::string frame(before);
    for (int shift = 0; shift < 32; shift += 8) {
      frame.push_back(static_cast<char>(sum >> shift));
    }
    return frame.append(after);
  };
  EXPECT_EQ(Encode(Hello{0x0102030405060708,
                         NodeId(1),
                         NodeId(2),
                         "a:1",
                         0x77,
                         FoundingId(0x99),
                         {3, 4, 5},
                         0x66}),
            with_sum("\x5d\0\0\0"sv,
                     "\x04\x01"
                     "!Quorate"
                     "\x08\x07\x06\x05\x04\x03\x02\x01"
                     "\x01\0\0\0\0\0\0\0"
                     "\x02\0\0\0\0\0\0\0"
                     "\x77\0\0\0\0\0\0\0"
                     "\x99\0\0\0\0\0\0\0"
                     "\x03\0\0\0\0\0\0\0"
                     "\x04\0\0\0\0\0\0\0"
                     "\x05\0\0\0\0\0\0\0"
                     "\x66\0\0\0\0\0\0\0"
                     "\x03\0\0\0"
                     "a:1"sv));
  EXPECT_EQ(Encode(Message(RequestVote{Term(9), Index(0x1234), Term(8), true, false})),
            with_sum("\x20\0\0\0"sv,
                     "\x04\x02"
                     "\x09\0\0\0\0\0\0\0"
                     "\x34\x12\0\0\0\0\0\0"
                     "\x08\0\0\0\0\0\0\0"
                     "\x01\0"sv));
  // The payloads' bytes are outside the frame's sum; their own stand in the entries' headers.
  EXPECT_EQ(Encode(Message(AppendOf({"123456789", ""}))),
            with_sum("\x5d\0\0\0"sv,
                     "\x04\x04"
                     "\x07\0\0\0\0\0\0\0"
                     "\x29\0\0\0\0\0\0\0"
                     "\x06\0\0\0\0\0\0\0"
                     "\xef\xcd\xab\x89\x67\x45\x23\x01"
                     "\x28\0\0\0\0\0\0\0"
                     "\x02\0\0\0"
                     "\x07\0\0\0\0\0\0\0\x01\x09\0\0\0\x83\x92\x06\xE3"
                     "\x07\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0"sv) +
                "123456789");
}

// What a connection begins with comes out as it went in, whatever is in it.
TEST(Codec, TheHandshakeArrives) {
  const HelloReply reply = {{1, {2, 3}, {4, 5}, false, true}, {6, 7, 8}};
  Statement statement = {.nonce = 1,
                         .confirmed = {4, 9},
                         .term = Term(5),
                         .voted_for = NodeId(2),
                         .durable_index = Index(6),
                         .lost = true};
  for (uint64_t count = 5; count < 5 + kStartsMax; ++count) {
    statement.starts.push_back({count, 3 * count});
  }
  const StartNoted noted = {{7, 8}};
  FrameBuffer frames;
  frames.Add(reply);
  frames.Add(statement);
  frames.Add(noted);
  const std::string bytes = Join(frames);
  std::string_view input = bytes;
  FrameDecoder decoder(FrameDecoder::First::kHelloReply);
  EXPECT_EQ(std::get<HelloReply>(decoder.Next(&input)), reply);
  EXPECT_EQ(std::get<Statement>(decoder.Next(&input)), statement);
  EXPECT_EQ(std::get<StartNoted>(decoder.Next(&input)), noted);
  EXPECT_TRUE(input.empty());
}

// The frequent messages of a round are one piece, so one small write.
TEST(Codec, SmallFramesShareOnePiece) {
  FrameBuffer frames;
  frames.Add(kHello);
  frames.Add(Message(Heartbeat{Term(1), Index(2), 3}));
  frames.Add(Message(AppendOf({"small", "smaller"})));
  frames.Add(Message(HeartbeatReply{Term(1), 3}));
  std::vector<std::string_view> pieces;
  frames.AppendPieces(&pieces);
  EXPECT_EQ(pieces.size(), 1U);
  EXPECT_EQ(Decode(Join(frames)).messages.size(), 3U);
}

// One payload in memory, whatever the number of followers that it is sent to.
TEST(Codec, LargePayloadsAreNotCopied) {
  const AppendEntries append = AppendOf({std::string(5000, 'a'), "small", std::string(6000, 'b')});
  FrameBuffer to_one;
  FrameBuffer to_another;
  to_one.Add(Message(append));
  to_another.Add(Message(append));
  for (const FrameBuffer* frames : {&to_one, &to_another}) {
    std::vector<std::string_view> pieces;
    frames->AppendPieces(&pieces);
    ASSERT_EQ(pieces.size(), 4U);  // head, first payload, second, third
    EXPECT_EQ(pieces[1].data(), append.entries[0].payload.bytes().data());
    EXPECT_EQ(pieces[2], "small");
    EXPECT_EQ(pieces[3].data(), append.entries[2].payload.bytes().data());
  }
}

TEST(Codec, FrameBufferKeepsPayloadsAlive) {
  FrameBuffer frames;
  const std::string payload(100'000, 'z');
  frames.Add(Message(AppendOf({payload})));
  const FrameBuffer moved = std::move(frames);
  const Decoded decoded = DecodeIntroduced(Join(moved));
  ASSERT_EQ(decoded.messages.size(), 1U);
  EXPECT_EQ(std::get<AppendEntries>(decoded.messages[0]).entries[0].payload.bytes(), payload);
}

TEST(Codec, FrameBufferIsEmptyAfterClear) {
  FrameBuffer frames;
  EXPECT_TRUE(frames.empty());
  frames.Add(Message(AppendOf({std::string(3000, 'a'), std::string(500'000, 'b'), "c"})));
  EXPECT_FALSE(frames.empty());
  frames.Clear();
  EXPECT_TRUE(frames.empty());
  EXPECT_EQ(Join(frames), "");
  const Message message = TimeoutNow{Term(4)};
  frames.Add(message);
  EXPECT_EQ(DecodeIntroduced(Join(frames)).messages, std::vector<Message>{message});
}

// A stream of frames gives the same messages wherever the network cuts it: at every single byte ...
TEST(Codec, CutAtEveryByte) {
  RandomMessages random(2);
  FrameBuffer frames;
  frames.Add(kHello);
  std::vector<Message> messages;
  for (size_t type = 0; type < std::variant_size_v<Message>; ++type) {
    messages.push_back(random.OfType(type, 5, 40));
    frames.Add(messages.back());
  }
  messages.push_back(AppendOf({std::string(1500, 'x'), "", "y"}));
  frames.Add(messages.back());
  const std::string stream = Join(frames);
  for (size_t cut = 0; cut <= stream.size(); ++cut) {
    FrameDecoder decoder;
    Decoded decoded;
    Feed(std::string_view(stream).substr(0, cut), &decoder, &decoded);
    ASSERT_EQ(decoded.failure, "") << "cut at " << cut;
    Feed(std::string_view(stream).substr(cut), &decoder, &decoded);
    ASSERT_EQ(decoded.failure, "") << "cut at " << cut;
    ASSERT_EQ(decoded.hellos, std::vector<Hello>{kHello}) << "cut at " << cut;
    ASSERT_EQ(decoded.messages, messages) << "cut at " << cut;
  }
}

// ... and in any number of pieces of any sizes.
TEST(Codec, CutInRandomPieces) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    RandomMessages random(seed);
    FrameBuffer frames;
    frames.Add(kHello);
    std::vector<Message> messages;
    for (int count = 0; count < 30; ++count) {
      messages.push_back(random.Next(8, 3000));
      frames.Add(messages.back());
    }
    const std::string stream = Join(frames);
    const size_t piece_bytes_max = size_t{1} << random.Below(13);
    FrameDecoder decoder;
    Decoded decoded;
    for (size_t at = 0; at < stream.size();) {
      const size_t bytes = std::min(stream.size() - at, 1 + random.Below(piece_bytes_max));
      Feed(std::string_view(stream).substr(at, bytes), &decoder, &decoded);
      ASSERT_EQ(decoded.failure, "");
      at += bytes;
    }
    ASSERT_EQ(decoded.hellos, std::vector<Hello>{kHello});
    ASSERT_EQ(decoded.messages, messages);
  }
}

// A frame is complete with its last byte and not before.
TEST(Codec, TruncatedFrameNeedsMore) {
  RandomMessages random(3);
  for (size_t type = 0; type < std::variant_size_v<Message>; ++type) {
    const std::string frame = Encode(random.OfType(type, 4, 50));
    for (size_t bytes = 0; bytes < frame.size(); ++bytes) {
      ASSERT_EQ(DecodeIntroduced(std::string_view(frame).substr(0, bytes)), Decoded())
          << "type " << type << ", " << bytes << " of " << frame.size() << " bytes";
    }
  }
}

// Our own mistakes stop here and do not travel.
using CodecDeathTest = testing::Test;

TEST(CodecDeathTest, SendsNoGapInTheLog) {
  AppendEntries append = AppendOf({"a", "b"});
  append.entries[1].index = append.entries[1].index + 1;
  FrameBuffer frames;
  EXPECT_DEATH(frames.Add(Message(append)), "Problem");
}

TEST(CodecDeathTest, SendsNoTermsOutOfOrder) {
  AppendEntries append = AppendOf({"a", "b"});
  append.entries[1].term = Term(6);
  FrameBuffer frames;
  EXPECT_DEATH(frames.Add(Message(append)), "Problem");
}

TEST(CodecDeathTest, SendsNoMessageWithoutTerm) {
  FrameBuffer frames;
  EXPECT_DEATH(frames.Add(Message(Heartbeat{})), "Problem");
}

}  // namespace
}  // namespace quorate::consensus
