// What happened in a simulation, as records of a few numbers: cheap enough to be kept always. The
// hash over all of them is equal exactly when two runs went the same way; the newest ones become
// text when a run has failed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "consensus/message.h"
#include "tests/simulation/event_queue.h"

namespace quorate::simulation {

enum class Happening : uint8_t {
  kStart,       // node, term, last index, last applied
  kCrash,       // node
  kEmptied,     // node, the member that its folder is, 1 of the cluster, 0 of one of its own
  kPause,       // node, milliseconds
  kRole,        // node, role, term, leader
  kCommit,      // node, commit index, last applied
  kSubmit,      // node, write, entries, last index
  kDurable,     // node, write
  kTruncate,    // node, index
  kTrim,        // node, index
  kInstall,     // node, index of the snapshot
  kCheckpoint,  // node, last applied
  kSend,        // from, to, message, term, index
  kLose,        // from, to, message
  kDeliver,     // from, to, message, term, index
  kConnect,     // client, node
  kDisconnect,  // client, node
  kRequest,     // client, node, operation, command, key
  kReply,       // client, operation, outcome
  kFault,       // fault, first and second argument
  kPlan,        // of the operator, node, member
  kChange,      // of the members asked for, 1 answered OK
  kPhase,       // phase
};

class Trace {
 public:
  explicit Trace(const EventQueue& events) : events_(events) {}

  // Prints every record to standard output as it comes.
  void set_verbose(bool verbose) { verbose_ = verbose; }

  void Add(Happening happening, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0, uint64_t d = 0,
           uint64_t e = 0);
  void AddMessage(Happening happening, uint64_t from, uint64_t to,
                  const consensus::Message& message);

  uint64_t hash() const { return hash_; }
  // The newest records as text, oldest first.
  std::vector<std::string> Newest(size_t count) const;

 private:
  struct Record {
    Time at = 0;
    Happening happening = {};
    std::array<uint64_t, 5> numbers = {};
  };
  static constexpr size_t kKept = 4096;

  static std::string Format(const Record& record);

  const EventQueue& events_;
  bool verbose_ = false;
  uint64_t hash_ = 0;
  uint64_t count_ = 0;
  std::vector<Record> kept_ = std::vector<Record>(kKept);  // a ring
};

}  // namespace quorate::simulation
