// Writes messages, entries and writes as one line of text: for scenarios' traces and for the
// failure messages of GoogleTest.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "consensus/message.h"
#include "consensus/raft.h"
#include "consensus/types.h"

namespace quorate::consensus {

// As in "AppendEntries term=2 prev=5:1 commit=4 entries=[6:2 noop, 7:2 x]": an entry is index:term
// and what it holds.
std::string Describe(const Configuration& configuration);
std::string Describe(const Change& change);
std::string Describe(const Message& message);
// "AppendEntries"
std::string NameOf(const Message& message);
std::string Describe(const Entry& entry);
std::string Describe(const std::vector<Entry>& entries);
// "#3 term=2 vote=1 truncate_from=6 entries=[...]"
std::string Describe(const Persist& persist);
std::string Describe(Role role);

// Found by GoogleTest.
void PrintTo(const Envelope& envelope, std::ostream* out);
void PrintTo(const Entry& entry, std::ostream* out);
void PrintTo(const HardState& hard_state, std::ostream* out);
void PrintTo(const RequestVote& message, std::ostream* out);
void PrintTo(const RequestVoteReply& message, std::ostream* out);
void PrintTo(const AppendEntries& message, std::ostream* out);
void PrintTo(const AppendEntriesReply& message, std::ostream* out);
void PrintTo(const Heartbeat& message, std::ostream* out);
void PrintTo(const HeartbeatReply& message, std::ostream* out);
void PrintTo(const ReadIndex& message, std::ostream* out);
void PrintTo(const ReadIndexReply& message, std::ostream* out);
void PrintTo(const ReadState& read, std::ostream* out);
void PrintTo(Role role, std::ostream* out);
template <typename Tag>
void PrintTo(Number<Tag> number, std::ostream* out) {
  *out << number.value();
}

}  // namespace quorate::consensus
