// Fuzz target: the bytes of a connection between servers. The input: see frame_decoder_input.h.
#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "consensus/codec.h"
#include "consensus/codec_format.h"
#include "consensus/crc32c.h"
#include "tests/fuzz/frame_decoder_input.h"

namespace quorate::consensus {
namespace {

std::string Join(const FrameBuffer& frames) {
  std::vector<std::string_view> pieces;
  frames.AppendPieces(&pieces);
  std::string joined;
  for (const std::string_view piece : pieces) {
    joined += piece;
  }
  assert(joined.size() == frames.bytes());
  return joined;
}

template <typename HelloOrMessage>
std::string Encode(const HelloOrMessage& what) {
  FrameBuffer frames;
  frames.Add(what);
  return Join(frames);
}

// Sets each payload's sum in the head of an AppendEntries, as far as the stream has them.
void RepairPayloads(std::string_view head, size_t entries_offset, std::string_view payloads,
                    char* head_bytes) {
  using namespace codec_format;
  for (size_t at = entries_offset; at < head.size(); at += kEntryHeaderBytes) {
    const size_t bytes = Load<uint32_t>(head.data() + at + 9);
    if (bytes > payloads.size()) {
      return;
    }
    Store(Crc32c(payloads.substr(0, bytes)), head_bytes + at + 13);
    payloads.remove_prefix(bytes);
  }
}

// Makes version and sums of all frames right whose head is in the stream.
void Repair(std::string* stream) {
  using namespace codec_format;
  constexpr size_t kCountOffset = kHeaderBytes + kFieldsBytes<AppendEntries>;
  constexpr size_t kEntriesOffset = kCountOffset + kCountBytes;
  size_t start = 0;
  while (stream->size() - start >= kHeaderBytes) {
    char* frame = stream->data() + start;
    const size_t left = stream->size() - start;
    const size_t frame_bytes = size_t{Load<uint32_t>(frame)} + kLengthBytes;
    const bool is_append = static_cast<uint8_t>(frame[kTypeOffset]) == Format<AppendEntries>::kCode;
    frame[kVersionOffset] = static_cast<char>(kProtocolVersion);
    size_t head_bytes = frame_bytes;
    if (is_append && left >= kEntriesOffset) {
      head_bytes =
          kEntriesOffset + size_t{Load<uint32_t>(frame + kCountOffset)} * kEntryHeaderBytes;
    }
    if (frame_bytes < kHeaderBytes || head_bytes < kHeaderBytes || head_bytes > left) {
      return;
    }
    const std::string_view head(frame, head_bytes);
    if (is_append && left >= kEntriesOffset) {
      RepairPayloads(head, kEntriesOffset, {frame + head_bytes, left - head_bytes}, frame);
    }
    Store(HeadCrc32c(head), frame + kLengthBytes);
    if (frame_bytes > left) {
      return;
    }
    start += frame_bytes;
  }
}

struct Decoded {
  std::vector<std::variant<Hello, Message>> frames;
  std::string failure;

  bool operator==(const Decoded&) const = default;
};

FrameDecoder NewDecoder(bool introduced) {
  FrameDecoder decoder;
  if (introduced) {
    const std::string hello = Encode(Hello{1, NodeId(1), NodeId(2)});
    std::string_view input = hello;
    const FrameDecoder::Result result = decoder.Next(&input);
    assert(std::holds_alternative<Hello>(result));
    assert(input.empty());
  }
  return decoder;
}

// Until the decoder wants more or fails; whether it goes on.
bool Drain(std::string_view* input, FrameDecoder* decoder, Decoded* decoded) {
  FrameDecoder::Result result = decoder->Next(input);
  while (true) {
    if (std::holds_alternative<FrameDecoder::NeedMore>(result)) {
      assert(input->empty());
      return true;
    }
    if (auto* failure = std::get_if<FrameDecoder::Failure>(&result)) {
      assert(!failure->text.empty());
      decoded->failure = std::move(failure->text);
      return false;
    }
    if (const auto* hello = std::get_if<Hello>(&result)) {
      decoded->frames.emplace_back(*hello);
    } else {
      decoded->frames.emplace_back(std::get<Message>(std::move(result)));
    }
    result = decoder->Next(input);
  }
}

Decoded DecodeWhole(std::string_view stream, bool introduced) {
  FrameDecoder decoder = NewDecoder(introduced);
  Decoded decoded;
  std::string_view input = stream;
  Drain(&input, &decoder, &decoded);
  return decoded;
}

Decoded DecodeInPieces(std::string_view stream, bool introduced, size_t piece_bytes) {
  FrameDecoder decoder = NewDecoder(introduced);
  Decoded decoded;
  for (size_t at = 0; at < stream.size(); at += piece_bytes) {
    const std::string_view piece = stream.substr(at, piece_bytes);
    const auto bytes = std::make_unique<char[]>(piece.size());
    std::copy(piece.begin(), piece.end(), bytes.get());
    std::string_view input(bytes.get(), piece.size());
    if (!Drain(&input, &decoder, &decoded)) {
      break;
    }
  }
  return decoded;
}

void Check(uint8_t switches, uint8_t cut, std::string stream) {
  const bool introduced = (switches & fuzz::kIntroduced) != 0;
  if ((switches & fuzz::kRepaired) != 0) {
    Repair(&stream);
  }
  const Decoded decoded = DecodeWhole(stream, introduced);
  // However the network cuts it.
  assert(DecodeInPieces(stream, introduced, size_t{cut} + 1) == decoded);
  assert(DecodeInPieces(stream, introduced, 1) == decoded);
  // Who speaks comes first.
  assert(introduced || decoded.frames.empty() || std::holds_alternative<Hello>(decoded.frames[0]));

  // There is one way to write a message: what was accepted is what would have been sent.
  std::string again;
  for (const auto& frame : decoded.frames) {
    again += std::visit([](const auto& content) { return Encode(content); }, frame);
    const auto* message = std::get_if<Message>(&frame);
    const auto* append = message != nullptr ? std::get_if<AppendEntries>(message) : nullptr;
    if (append == nullptr) {
      continue;
    }
    for (const Entry& entry : append->entries) {
      assert(entry.payload.Intact());
    }
  }
  assert(stream.starts_with(again));
}

}  // namespace
}  // namespace quorate::consensus

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size >= 2) {
    quorate::consensus::Check(data[0], data[1],
                              std::string(reinterpret_cast<const char*>(data + 2), size - 2));
  }
  return 0;
}
