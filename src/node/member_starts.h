// Who is who among the members, by their numbered starts (consensus/start_ledger.h): what this node
// draws, notes of the others and keeps on its disk, and what it says and hears of that when members
// connect. Loop thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "consensus/codec.h"
#include "consensus/raft.h"
#include "consensus/random.h"
#include "consensus/start_ledger.h"
#include "consensus/types.h"
#include "src/base/clock.h"

namespace quorate {

class MemberStarts {
 public:
  // A member's connection to this node, as of the answer to its Hello. What the member then says is
  // judged by what was known at that moment: it may be old when it arrives.
  struct Visit {
    consensus::Challenge challenge;
    std::optional<consensus::Acknowledged> acknowledged;
  };

  // `raft` and `clock` must outlive this. `seed` is unlike that of any other process.
  MemberStarts(consensus::StartLedger ledger, consensus::Raft& raft, Clock& clock, uint64_t seed);

  // --- Rounds ---

  // Before Raft's effects are taken: draws a start where one is due, and has Raft's next write
  // carry what has changed.
  void BeginWrite();
  // That write is on its way; `durable`: all up to this one are on the disk.
  void Submitted(consensus::PersistSeq write) { write_ = write; }
  void Persisted(consensus::PersistSeq durable);
  void SetMembers(const consensus::Configuration& committed) { ledger_.SetMembers(committed); }

  // --- Connections to members ---

  // The newest start that is on the disk; none yet: this node introduces itself to nobody.
  consensus::Start current() const { return ledger_.current(); }
  bool is_ready() const { return current() != consensus::Start(); }
  consensus::Expectation Expect(consensus::NodeId peer) const { return ledger_.Expect(peer); }
  // Returns why nothing is to be said to that peer, empty if there is no such reason. It, or this
  // node, may have been convicted.
  std::string OnWelcome(consensus::NodeId peer, const consensus::Expectation& expectation,
                        const consensus::Welcome& welcome);
  // Nothing: what there is to be said is not on the disk yet. Ask again after the next round.
  std::optional<consensus::Statement> MakeStatement(consensus::NodeId peer, uint64_t nonce) const;
  void OnStartNoted(consensus::NodeId from, consensus::Start start);
  // What is to be confirmed to that peer now, if anything.
  std::optional<consensus::StartNoted> TakeConfirmation(consensus::NodeId peer);

  // --- Connections from members ---

  Visit Receive(consensus::NodeId member);
  // Whether that is the newest start that is noted of the member: then this process has its place.
  bool IsNoted(consensus::NodeId member, consensus::Start start) const {
    return ledger_.Expect(member).noted == start;
  }
  // Which processes claim to be the member, besides the one that speaks.
  enum class Standing : uint8_t {
    kSole,     // none that is known of
    kInDoubt,  // one that has connected before and does not answer now: this one may be a copy of
               // its folder, and what it lacks proves nothing about the member
  };
  // What becomes of the connection.
  enum class Reception : uint8_t {
    kAccepted,
    kRefused,   // for `reason`
    kLost,      // the same: the member is convicted
    kSelfLost,  // this node is convicted, and judges nobody
  };
  struct Answer {
    Reception reception = Reception::kAccepted;
    std::string reason = {};
  };
  Answer OnStatement(consensus::NodeId member, const consensus::Statement& statement,
                     const Visit& visit, Standing standing = Standing::kSole);
  // The member has granted this node its vote in that term.
  void OnVote(consensus::NodeId member, consensus::Term term);

  // --- Who has lost its data ---

  // No cluster was founded as far as this node knows, and it has not voted: nobody can have lost
  // anything that this node has heard of. Until then, the folder of a member may be replaced, and
  // its newest start counts, whatever it has said before.
  bool forgives() const { return raft_.waits_for_founding(); }
  // For ever: it is listened to no more, and what it has acknowledged counts for nothing.
  void Convict(consensus::NodeId member, std::string_view reason);
  bool IsConvicted(consensus::NodeId member) const { return ledger_.IsConvicted(member); }
  // Precondition: IsConvicted(member).
  const std::string& ConvictionOf(consensus::NodeId member) const {
    return ledger_.ConvictionOf(member);
  }
  // Those members, and the reasons.
  std::vector<std::pair<consensus::NodeId, std::string>> convictions() const {
    return ledger_.convictions();
  }
  // For ever: this node takes part in nothing.
  void ConvictSelf(std::string_view reason);
  // Empty: it is not convicted.
  const std::string& own_conviction() const { return ledger_.own_conviction(); }

 private:
  // What follows from the own conviction.
  void LoseData();

  consensus::StartLedger ledger_;
  consensus::Raft& raft_;
  Clock& clock_;
  consensus::Random random_;
  consensus::Term drawn_in_;
  int64_t drawn_at_ms_ = 0;
  consensus::PersistSeq write_;  // that holds the ledger; 0: none is on its way
};

}  // namespace quorate
