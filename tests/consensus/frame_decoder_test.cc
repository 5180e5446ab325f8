// What a damaged or hostile connection carries: nothing of it becomes a message that was not sent.
#include <gtest/gtest.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/codec.h"
#include "consensus/crc32c.h"
#include "tests/consensus/codec_support.h"
#include "tests/consensus/random_message.h"

namespace quorate::consensus {
namespace {

// The numbers of the types, as they stand in frames.
enum : uint8_t {
  kHelloType = 1,
  kRequestVoteType = 2,
  kRequestVoteReplyType = 3,
  kAppendType = 4,
  kHeartbeatReplyType = 7,
  kTimeoutNowType = 10,
};

// Bytes as an attacker puts them together who knows the format, checksums and all.
class Forgery {
 public:
  Forgery& U8(uint64_t value) { return Add(value, 1); }
  Forgery& U32(uint64_t value) { return Add(value, 4); }
  Forgery& U64(uint64_t value) { return Add(value, 8); }
  Forgery& Text(std::string_view text) {
    bytes_ += text;
    return *this;
  }
  // term, prev_log_index, prev_log_term, prev_log_chain, leader_commit, count
  Forgery& AppendFields(uint64_t term, uint64_t prev_index, uint64_t prev_term, uint64_t count) {
    return U64(term).U64(prev_index).U64(prev_term).U64(0).U64(0).U32(count);
  }
  Forgery& EntryHeader(uint64_t term, uint64_t kind, uint64_t size, uint32_t crc) {
    return U64(term).U8(kind).U32(size).U32(crc);
  }
  const std::string& bytes() const { return bytes_; }

  // These bytes as the head of a frame in which `payloads` follow. `more` is added to the length
  // that would be true.
  std::string Frame(uint8_t type, std::string_view payloads = "", int64_t more = 0,
                    uint8_t version = kProtocolVersion) const {
    const auto length =
        static_cast<uint64_t>(static_cast<int64_t>(4 + 2 + bytes_.size() + payloads.size()) + more);
    const std::string length_bytes = Forgery().U32(length).bytes();
    const std::string head = Forgery().U8(version).U8(type).Text(bytes_).bytes();
    return Forgery()
        .Text(length_bytes)
        .U32(Crc32c(head, Crc32c(length_bytes)))
        .Text(head)
        .Text(payloads)
        .bytes();
  }

 private:
  Forgery& Add(uint64_t value, int bytes) {
    for (int byte = 0; byte < bytes; ++byte) {
      bytes_.push_back(static_cast<char>(value >> (8 * byte)));
    }
    return *this;
  }

  std::string bytes_;
};

void ExpectRefused(std::string_view frame, std::string_view reason) {
  const Decoded decoded = DecodeIntroduced(frame);
  EXPECT_TRUE(decoded.messages.empty());
  EXPECT_TRUE(decoded.hellos.empty());
  EXPECT_NE(decoded.failure.find(reason), std::string::npos)
      << "refused for: '" << decoded.failure << "', not for: '" << reason << "'";
}

void ExpectRefusedAsFirst(std::string_view frame, std::string_view reason) {
  const Decoded decoded = Decode(frame);
  EXPECT_TRUE(decoded.hellos.empty());
  EXPECT_NE(decoded.failure.find(reason), std::string::npos)
      << "refused for: '" << decoded.failure << "', not for: '" << reason << "'";
}

// --- Damage ---

// No flipped bit goes unnoticed, wherever it is: in a length, a checksum, a field, a payload. It is
// noticed with the frame's last byte at the latest, not when what a flipped length announces has
// come.
TEST(FrameDecoder, NoticesEveryFlippedBit) {
  RandomMessages random(4);
  for (size_t type = 0; type < std::variant_size_v<Message>; ++type) {
    for (int round = 0; round < 3; ++round) {
      const std::string frame = Encode(random.OfType(type, 4, 100));
      for (size_t position = 0; position < frame.size() * 8; ++position) {
        std::string damaged = frame;
        damaged[position / 8] = static_cast<char>(damaged[position / 8] ^ (1 << (position % 8)));
        const Decoded decoded = DecodeIntroduced(damaged);
        ASSERT_NE(decoded.failure, "") << "type " << type << ", bit " << position;
        ASSERT_TRUE(decoded.messages.empty()) << "type " << type << ", bit " << position;
      }
    }
  }
}

TEST(FrameDecoder, NoticesEveryFlippedBitOfAHello) {
  const std::string frame = Encode(kHello);
  for (size_t position = 0; position < frame.size() * 8; ++position) {
    std::string damaged = frame;
    damaged[position / 8] = static_cast<char>(damaged[position / 8] ^ (1 << (position % 8)));
    const Decoded decoded = Decode(damaged);
    ASSERT_NE(decoded.failure, "") << "bit " << position;
    ASSERT_TRUE(decoded.hellos.empty()) << "bit " << position;
  }
}

TEST(FrameDecoder, NoticesEveryReplacedByte) {
  RandomMessages random(5);
  const std::string frame = Encode(random.OfType(2, 3, 30));
  for (size_t position = 0; position < frame.size(); ++position) {
    for (int difference = 1; difference < 256; ++difference) {
      std::string damaged = frame;
      damaged[position] = static_cast<char>(damaged[position] ^ difference);
      ASSERT_NE(DecodeIntroduced(damaged).failure, "")
          << "byte " << position << " changed by " << difference;
    }
  }
}

// What came before the damage was good, and is delivered.
TEST(FrameDecoder, DeliversWhatCameBeforeADamagedFrame) {
  const Message message = TimeoutNow{Term(3)};
  std::string stream = Encode(message) + Encode(message);
  stream.back() = static_cast<char>(stream.back() ^ 1);
  const Decoded decoded = DecodeIntroduced(stream);
  EXPECT_EQ(decoded.messages, std::vector<Message>{message});
  EXPECT_NE(decoded.failure, "");
}

// Where the next frame would start is unknown after an error, so there is no next frame.
TEST(FrameDecoder, StaysInError) {
  FrameDecoder decoder = Introduced();
  Decoded decoded;
  Feed(Forgery().U64(1).Frame(99), &decoder, &decoded);
  const std::string failure = decoded.failure;
  ASSERT_NE(failure, "");
  decoded.failure.clear();
  Feed(Encode(Message(TimeoutNow{Term(3)})), &decoder, &decoded);
  EXPECT_EQ(decoded.failure, failure);
  EXPECT_TRUE(decoded.messages.empty());
}

// --- The first frame ---

TEST(FrameDecoder, FirstFrameMustBeAHello) {
  ExpectRefusedAsFirst(Encode(Message(TimeoutNow{Term(3)})), "type 10 before the Hello");
}

// A stranger can make the server wait for no more than a Hello's few bytes.
TEST(FrameDecoder, NoLargeFrameBeforeTheHello) {
  ExpectRefusedAsFirst(Encode(Message(AppendEntries{Term(1),
                                                    Index(),
                                                    Term(),
                                                    Chain(),
                                                    Index(),
                                                    {{Term(1), Index(1), EntryKind::kBatch,
                                                      Payload(std::string(2000, 'a'))}}})),
                       "bytes where at most 1118 are allowed");
  ExpectRefusedAsFirst(Forgery().U32(1115).Text("\x01\x02\x03\x04\x04\x01").bytes(),
                       "a frame of 1119 bytes where at most 1118 are allowed");
}

TEST(FrameDecoder, ClientsAtThePeerPortAreRefused) {
  ExpectRefusedAsFirst("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "bytes where at most");
  ExpectRefusedAsFirst("*1\r\n$4\r\nPING\r\n", "bytes where at most");
  ExpectRefusedAsFirst(std::string(64, '\0'), "protocol version 0");
}

TEST(FrameDecoder, HelloOfAnotherVersionIsNamed) {
  ExpectRefusedAsFirst(Forgery().Text("!Quorate").U64(1).U64(1).U64(2).Frame(kHelloType, "", 0, 1),
                       "protocol version 1 where 4 is spoken");
}

TEST(FrameDecoder, HelloMustMakeSense) {
  ExpectRefusedAsFirst(Forgery()
                           .Text("?Quorate")
                           .U64(1)
                           .U64(1)
                           .U64(2)
                           .U64(0)
                           .U64(0)
                           .U64(4)
                           .U64(4)
                           .U64(0)
                           .U64(9)
                           .U32(0)
                           .Frame(kHelloType),
                       "no Quorate server");
  ExpectRefusedAsFirst(Forgery()
                           .Text("!Quorate")
                           .U64(1)
                           .U64(0)
                           .U64(2)
                           .U64(0)
                           .U64(0)
                           .U64(4)
                           .U64(4)
                           .U64(0)
                           .U64(9)
                           .U32(0)
                           .Frame(kHelloType),
                       "node id 0");
  ExpectRefusedAsFirst(Forgery()
                           .Text("!Quorate")
                           .U64(1)
                           .U64(1)
                           .U64(0)
                           .U64(0)
                           .U64(0)
                           .U64(4)
                           .U64(4)
                           .U64(0)
                           .U64(9)
                           .U32(0)
                           .Frame(kHelloType),
                       "node id 0");
  ExpectRefusedAsFirst(Forgery().Text("!Quorate").U64(1).U64(1).Frame(kHelloType),
                       "type 1 with 34 bytes");
}

// What others have said is passed on between the messages.
TEST(FrameDecoder, LaterHellosMayCome) {
  const Hello other = {kClusterId, NodeId(3), NodeId(2), "there:1@2"};
  const Message message = TimeoutNow{Term(3)};
  const Decoded decoded =
      Decode(Encode(kHello) + Encode(message) + Encode(other) + Encode(message));
  EXPECT_EQ(decoded.failure, "");
  EXPECT_EQ(decoded.hellos, (std::vector<Hello>{kHello, other}));
  EXPECT_EQ(decoded.messages.size(), 2U);
}

TEST(FrameDecoder, LaterHellosMustMakeSense) {
  ExpectRefused(Forgery()
                    .Text("!Quorate")
                    .U64(1)
                    .U64(0)
                    .U64(2)
                    .U64(0)
                    .U64(0)
                    .U64(4)
                    .U64(4)
                    .U64(0)
                    .U64(9)
                    .U32(0)
                    .Frame(kHelloType),
                "node id 0");
  ExpectRefused(Forgery().Text("!Quorate").U64(1).U64(1).Frame(kHelloType), "type 1 with 34 bytes");
}

// --- Headers ---

TEST(FrameDecoder, UnknownTypes) {
  for (const int type : {0, 19, 21, 127, 128, 255}) {
    ExpectRefused(Forgery().U64(1).Frame(static_cast<uint8_t>(type)),
                  "type " + std::to_string(type) + ", which is no message");
  }
}

TEST(FrameDecoder, UnknownVersions) {
  for (const int version : {0, 3, 5, 255}) {
    ExpectRefused(Forgery().U64(1).Frame(kTimeoutNowType, "", 0, static_cast<uint8_t>(version)),
                  "protocol version " + std::to_string(version));
  }
}

TEST(FrameDecoder, FrameTooShortForItsHeader) {
  for (uint32_t length = 0; length < 6; ++length) {
    ExpectRefused(Forgery().U32(length).U32(0).U8(kProtocolVersion).U8(kTimeoutNowType).bytes(),
                  "type 10 with");
  }
}

TEST(FrameDecoder, FrameAboveTheBound) {
  const std::string header = Forgery().U32(0).U8(kProtocolVersion).U8(kAppendType).bytes();
  for (const uint64_t length : {uint64_t{kFrameBytesMax} - 3, uint64_t{0xFFFFFFFF}}) {
    ExpectRefused(Forgery().U32(length).Text(header).bytes(), "are allowed");
  }
}

TEST(FrameDecoder, BodyOfAnotherLength) {
  ExpectRefused(Forgery().U64(1).U8(0).Frame(kTimeoutNowType), "type 10 with 19 bytes");
  ExpectRefused(Forgery().U64(1).Frame(kHeartbeatReplyType), "type 7 with 18 bytes");
  ExpectRefused(Forgery().U64(1).U64(0).U64(0).U64(0).U64(0).Frame(kAppendType),
                "type 4 with 50 bytes");
  // Bytes left over behind the last payload.
  ExpectRefused(Forgery().AppendFields(1, 0, 0, 0).Frame(kAppendType, "x"), "length");
  ExpectRefused(
      Forgery().AppendFields(1, 0, 0, 1).EntryHeader(1, 0, 1, Crc32c("x")).Frame(kAppendType, "xy"),
      "length");
}

// --- Fields ---

TEST(FrameDecoder, BooleansAreZeroOrOne) {
  for (const int value : {2, 127, 255}) {
    ExpectRefused(Forgery().U64(1).U8(value).U8(0).U64(9).Frame(kRequestVoteReplyType), "boolean");
    ExpectRefused(Forgery().U64(1).U8(1).U8(value).U64(9).Frame(kRequestVoteReplyType), "boolean");
  }
}

TEST(FrameDecoder, MessagesHaveATerm) {
  ExpectRefused(Forgery().U64(0).Frame(kTimeoutNowType), "term 0");
  ExpectRefused(Forgery().U64(0).U64(5).U8(0).U64(0).U64(9).U64(1).Frame(kHeartbeatReplyType),
                "term 0");
  ExpectRefused(Forgery().AppendFields(0, 0, 0, 0).Frame(kAppendType), "term 0");
  ExpectRefused(Forgery().U64(0).U64(0).U64(0).U8(0).U8(0).Frame(kRequestVoteType), "term 0");
  ExpectRefused(Forgery().U64(0).U8(1).U8(1).U64(9).Frame(kRequestVoteReplyType), "term 0");
  ExpectRefused(Forgery().U64(0).U8(0).U8(0).U64(9).Frame(kRequestVoteReplyType), "term 0");
}

// Only what comes before a log's first entry is at index 0, and only that has term 0.
TEST(FrameDecoder, LogPositionsThatCannotBe) {
  ExpectRefused(Forgery().U64(5).U64(0).U64(1).U8(0).U8(0).Frame(kRequestVoteType), "position");
  ExpectRefused(Forgery().U64(5).U64(1).U64(0).U8(0).U8(0).Frame(kRequestVoteType), "position");
  ExpectRefused(Forgery().AppendFields(5, 0, 1, 0).Frame(kAppendType), "position");
  ExpectRefused(Forgery().AppendFields(5, 1, 0, 0).Frame(kAppendType), "position");
}

// --- Entries ---

TEST(FrameDecoder, CountBeyondTheFrame) {
  for (const uint64_t count : {uint64_t{1}, uint64_t{2}, uint64_t{1} << 31, uint64_t{0xFFFFFFFF}}) {
    ExpectRefused(Forgery().AppendFields(1, 0, 0, count).Frame(kAppendType, std::string(16, 'x')),
                  "more entries than the frame has room for");
  }
}

TEST(FrameDecoder, CountBelowTheEntries) {
  ExpectRefused(Forgery()
                    .AppendFields(1, 0, 0, 1)
                    .EntryHeader(1, 0, 0, 0)
                    .EntryHeader(1, 0, 0, 0)
                    .Frame(kAppendType),
                "checksum");
}

TEST(FrameDecoder, PayloadSizesBeyondTheFrame) {
  ExpectRefused(Forgery()
                    .AppendFields(1, 0, 0, 1)
                    .EntryHeader(1, 1, 4, Crc32c("xyz"))
                    .Frame(kAppendType, "xyz"),
                "length");
  ExpectRefused(
      Forgery().AppendFields(1, 0, 0, 1).EntryHeader(1, 1, 0xFFFFFFFF, 0).Frame(kAppendType, "xyz"),
      "too large");
  ExpectRefused(Forgery()
                    .AppendFields(1, 0, 0, 1)
                    .EntryHeader(1, 1, kEntryBytesMax + 1, 0)
                    .Frame(kAppendType, "", kEntryBytesMax + 1),
                "too large");
  // Sizes whose 32-bit sum would be right again.
  Forgery wrapping;
  wrapping.AppendFields(1, 0, 0, 33);
  for (int entry = 0; entry < 32; ++entry) {
    wrapping.EntryHeader(1, 1, kEntryBytesMax, 0);
  }
  wrapping.EntryHeader(1, 1, 3, Crc32c("xyz"));
  ExpectRefused(wrapping.Frame(kAppendType, "xyz"), "length");
}

TEST(FrameDecoder, PayloadWithoutItsChecksum) {
  ExpectRefused(Forgery()
                    .AppendFields(1, 0, 0, 1)
                    .EntryHeader(1, 1, 3, Crc32c("xyz") ^ 1)
                    .Frame(kAppendType, "xyz"),
                "payload that does not have its checksum");
  ExpectRefused(Forgery().AppendFields(1, 0, 0, 1).EntryHeader(1, 1, 0, 1).Frame(kAppendType),
                "payload that does not have its checksum");
}

TEST(FrameDecoder, UnknownEntryKinds) {
  for (const int kind : {4, 255}) {
    ExpectRefused(Forgery().AppendFields(1, 0, 0, 1).EntryHeader(1, kind, 0, 0).Frame(kAppendType),
                  "kind");
  }
}

// Rule of the log: terms of entries never decrease, and none is later than the leader's.
TEST(FrameDecoder, TermsOfEntriesOutOfOrder) {
  ExpectRefused(Forgery().AppendFields(5, 0, 0, 1).EntryHeader(0, 0, 0, 0).Frame(kAppendType),
                "terms");
  ExpectRefused(Forgery().AppendFields(5, 9, 4, 1).EntryHeader(3, 0, 0, 0).Frame(kAppendType),
                "terms");
  ExpectRefused(Forgery()
                    .AppendFields(5, 9, 2, 2)
                    .EntryHeader(4, 0, 0, 0)
                    .EntryHeader(3, 0, 0, 0)
                    .Frame(kAppendType),
                "terms");
  ExpectRefused(Forgery().AppendFields(5, 9, 4, 1).EntryHeader(6, 0, 0, 0).Frame(kAppendType),
                "later term");
  ExpectRefused(Forgery().AppendFields(5, 9, 6, 0).Frame(kAppendType), "later term");
}

TEST(FrameDecoder, IndexesPastTheLargest) {
  ExpectRefused(
      Forgery().AppendFields(5, UINT64_MAX, 4, 1).EntryHeader(5, 0, 0, 0).Frame(kAppendType),
      "past the largest");
  const Decoded decoded = DecodeIntroduced(
      Forgery().AppendFields(5, UINT64_MAX - 1, 4, 1).EntryHeader(5, 0, 0, 0).Frame(kAppendType));
  ASSERT_EQ(decoded.failure, "");
  EXPECT_EQ(std::get<AppendEntries>(decoded.messages[0]).entries[0].index, Index(UINT64_MAX));
}

// --- Noise ---

TEST(FrameDecoder, RandomBytesAreNoMessage) {
  for (uint64_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    RandomMessages random(seed);
    const Decoded decoded = DecodeIntroduced(random.Bytes(random.Below(200)));
    ASSERT_TRUE(decoded.messages.empty());
  }
}

// Damage of several kinds at once to a stream in random pieces: what is delivered is a beginning of
// what was sent.
TEST(FrameDecoder, DamagedStreamGivesOnlyWhatWasSent) {
  for (uint64_t seed = 1; seed <= 2000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    RandomMessages random(seed);
    FrameBuffer frames;
    std::vector<Message> messages;
    for (int count = 0; count < 8; ++count) {
      messages.push_back(random.Next(4, 60));
      frames.Add(messages.back());
    }
    std::string stream = Join(frames);
    const size_t changes = 1 + random.Below(3);
    for (size_t change = 0; change < changes; ++change) {
      const size_t at = random.Below(stream.size());
      const size_t bytes =
          1 + random.Below(17);  // less than a frame: one that is gone is no damage
      switch (random.Below(4)) {
        case 0:
          stream[at] = static_cast<char>(random.Below(256));
          break;
        case 1:
          stream.insert(at, random.Bytes(bytes));
          break;
        case 2:
          stream.erase(at, bytes);
          break;
        default:
          stream.insert(at, stream.substr(random.Below(stream.size()), bytes));
          break;
      }
      if (stream.empty()) {
        break;
      }
    }
    FrameDecoder decoder = Introduced();
    Decoded decoded;
    for (size_t at = 0; at < stream.size() && decoded.failure.empty();) {
      const size_t bytes = 1 + random.Below(stream.size());
      Feed(std::string_view(stream).substr(at, bytes), &decoder, &decoded);
      at += bytes;
    }
    ASSERT_LE(decoded.messages.size(), messages.size());
    for (size_t position = 0; position < decoded.messages.size(); ++position) {
      ASSERT_EQ(decoded.messages[position], messages[position]) << "message " << position;
    }
  }
}

}  // namespace
}  // namespace quorate::consensus
