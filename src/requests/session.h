// One client's conversation, without its socket: what the server remembers between its requests.
// Loop thread. Owned by Sessions; work in flight holds a reference too, so a reply that comes after
// the client has gone falls into an open hand, never to another client.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "consensus/types.h"
#include "resp/request_parser.h"
#include "src/requests/reply_queue.h"

namespace quorate {

struct Command;

struct Session : std::enable_shared_from_this<Session> {
  Session(uint64_t session_id, std::string remote, std::string local, const resp::Limits* limits)
      : id(session_id),
        address(std::move(remote)),
        local_address(std::move(local)),
        parser(limits) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const uint64_t id;                // as CLIENT ID gives it: never used twice in a process
  const std::string address;        // ip:port
  const std::string local_address;  // ip:port

  resp::RequestParser parser;
  std::string input;  // received, not yet executed; empty in the usual case
  ReplyQueue replies;
  resp::Protocol protocol = resp::Protocol::kResp2;

  uint32_t database = 0;  // SELECT
  std::string name;       // CLIENT SETNAME
  std::string library_name;
  std::string library_version;
  bool readonly = false;  // READONLY: a follower may answer reads
  bool no_evict = false;
  bool no_touch = false;
  int64_t connected_at_ms = 0;     // monotonic
  int64_t last_request_at_ms = 0;  // monotonic
  const Command* last_command = nullptr;
  size_t writing_bytes = 0;  // taken from `replies` by the socket's owner, not by the kernel yet
  uint32_t reads_held_back = 0;  // by the node, for their large replies
  size_t held_back_bytes = 0;    // of these requests
  uint64_t input_bytes_total = 0;
  uint64_t output_bytes_total = 0;

  // Of local_address: an IPv6 address without brackets. Empty: not known.
  std::string_view local_host() const;

  // No reply reaches this client any more, so none is to be made.
  bool gone() const { return closed || close_now; }
  // Replies that the kernel has not taken yet.
  size_t reply_bytes() const { return writing_bytes + replies.bytes(); }
  // What this client takes of maxmemory-clients.
  size_t memory_bytes() const {
    return sizeof(Session) + name.capacity() + library_name.capacity() +
           library_version.capacity() + input.capacity() + parser.memory_bytes() + held_back_bytes +
           reply_bytes();
  }

  // The entry that this client's newest write was proposed as; reads wait for it.
  consensus::Index last_write;
  consensus::Term last_write_term;
  // This client has a write in the batch that is being filled; its reads join it there.
  uint64_t last_batch = 0;
  // The node is built anew: forgets the entries and batches of the one before.
  void ForgetNode() {
    last_write = {};
    last_write_term = {};
    last_batch = 0;
  }

  bool closed = false;     // the socket is gone
  bool close_now = false;  // CLIENT KILL, limits: the owner closes the socket at its next look
  bool evicted = false;    // close_now, because of maxmemory-clients
  bool close_after_replies =
      false;                   // QUIT, protocol errors: nothing more is read, what is owed is sent
  bool scheduled = false;      // among Sessions::TakeScheduled's next
  size_t counted_replies = 0;  // of reply_bytes() and memory_bytes(), in Sessions' sums
  size_t counted_memory = 0;
};

// All clients by their id, oldest first, and what they may take of the memory.
class Sessions {
 public:
  explicit Sessions(const resp::Limits* limits) : limits_(limits) {}

  // Whoever goes beyond them is given up right where a reply does so, and not only when the replies
  // of a whole round are made. 0: no bound.
  struct Bounds {
    size_t reply_bytes = 0;   // of one client
    size_t memory_bytes = 0;  // of all; those that take most go first, but for no_evict
  };
  void set_bounds(const Bounds& bounds) { bounds_ = bounds; }

  // When clients leave so much unread, all of them together, each gets one reply at a time, and
  // large ones not at all, until others have taken theirs.
  static constexpr size_t kReplyBytesMax = 64 << 20;

  std::shared_ptr<Session> Open(std::string address, std::string local_address, int64_t now_ms);
  // Forgets the session; work in flight keeps the object until it is done.
  void Close(Session& session);

  // Has the sockets' owner look at a session: it has output, or is to be closed. Counts it, and
  // keeps to the bounds. Not while a reply is written: it may be among those that are given up.
  void Schedule(Session& session);
  // The greatest reply that is of any use: with a greater one the client is given up.
  size_t ReplyBytesMax(const Session& session) const;
  // The same without counting, and so without giving anybody up: for while a reply is written.
  void Enqueue(Session& session);
  // Gives up whoever takes most, as long as all take more than the bound.
  void KeepToMemoryBound();
  // The sessions scheduled since the last call, each once. They may be closed by now.
  std::vector<std::shared_ptr<Session>> TakeScheduled();

  // To be called whenever the session's replies or input have changed, but after Schedule.
  void Count(Session& session);
  size_t reply_bytes() const { return reply_bytes_; }    // of all
  size_t memory_bytes() const { return memory_bytes_; }  // of all
  bool replies_are_tight() const { return reply_bytes_ >= kReplyBytesMax; }

  size_t size() const { return sessions_.size(); }
  const std::map<uint64_t, std::shared_ptr<Session>>& all() const { return sessions_; }

 private:
  // Its replies are dropped at once; what it has sent may be just being looked at.
  void GiveUp(Session& session, std::string_view why);

  const resp::Limits* limits_;
  Bounds bounds_;
  uint64_t last_id_ = 0;
  size_t reply_bytes_ = 0;
  size_t memory_bytes_ = 0;
  std::vector<std::shared_ptr<Session>> scheduled_;
  std::map<uint64_t, std::shared_ptr<Session>> sessions_;
};

}  // namespace quorate
