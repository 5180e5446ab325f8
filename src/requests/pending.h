// Requests that wait inside the node for their outcome.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/types.h"
#include "resp/command_encoder.h"
#include "resp/request_parser.h"
#include "src/requests/reply_queue.h"
#include "src/requests/session.h"

namespace quorate {

struct Command;

// Where the reply goes.
struct PendingRequest {
  std::shared_ptr<Session> session;
  ReplyQueue::Ticket ticket = 0;
  const Command* command = nullptr;
  uint32_t database = 0;  // that the client had selected
};

// Keeps a place for the reply.
inline PendingRequest MakePending(Session& session, const Command& command) {
  return {session.shared_from_this(), session.replies.Reserve(session.protocol), &command,
          session.database};
}

// Requests kept as bytes, because the buffer that they were received in is gone when they run.
class RequestArena {
 public:
  struct Position {
    size_t offset = 0;
    size_t size = 0;
  };

  Position Add(const resp::Request& request) {
    const size_t offset = bytes_.size();
    if (request.is_inline) {
      resp::AppendCommand(request.arguments, &bytes_);
    } else {
      bytes_ += request.raw;
    }
    return {offset, bytes_.size() - offset};
  }
  std::string_view At(Position position) const {
    return std::string_view(bytes_).substr(position.offset, position.size);
  }
  size_t bytes() const { return bytes_.size(); }

 private:
  std::string bytes_;
};

struct PendingRead : PendingRequest {
  RequestArena::Position request;
  // The entry that the client's newest write before it was proposed as: not before that is applied,
  // or lost.
  consensus::Index after;
  consensus::Term after_term;
};

// All reads of one round; one token, one proof.
struct ReadGroup {
  RequestArena arena;
  std::vector<PendingRead> reads;
  consensus::Index read_index;  // once proven: not before this entry is applied
  int64_t deadline_ms = 0;

  bool empty() const { return reads.empty(); }
};

// What a batch owes to clients, in the order of execution: its writes, and between them the reads
// of the same clients, which are to see the writes before them and not those after.
struct BatchOperation : PendingRequest {
  bool is_read = false;
  RequestArena::Position request;  // of a read; a write's bytes are in the batch
};

struct PendingBatch {
  consensus::Index index;
  consensus::Term term;
  consensus::Payload payload;
  RequestArena arena;
  std::vector<BatchOperation> operations;
  int64_t deadline_ms = 0;
  bool expired = false;  // all have been told that the outcome is unknown, and are gone
};

}  // namespace quorate
