// Who is who among the members, by their numbered starts (consensus/start_ledger.h): what this node
// draws, notes of the others and keeps on its disk, and what it says and hears of that when members
// connect. Loop thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/raft.h"
#include "consensus/random.h"
#include "consensus/start_ledger.h"
#include "consensus/types.h"
#include "src/clock.h"

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
  std::vector<consensus::Confirmation> TakeConfirmations() { return ledger_.TakeConfirmations(); }
  void SetMembers(const consensus::Configuration& committed) { ledger_.SetMembers(committed); }

  // --- Connections to members ---

  // The newest start that is on the disk; none yet: this node introduces itself to nobody.
  consensus::Start current() const { return ledger_.current(); }
  bool is_ready() const { return current() != consensus::Start(); }
  consensus::Expectation Expect(consensus::NodeId peer) const { return ledger_.Expect(peer); }
  void OnWelcome(consensus::NodeId peer, const consensus::Expectation& expectation,
                 const consensus::Welcome& welcome);
  // Nothing: what there is to be said is not on the disk yet. Ask again after the next round.
  std::optional<consensus::Statement> MakeStatement(consensus::NodeId peer, uint64_t nonce) const;
  void OnStartNoted(consensus::NodeId from, consensus::Start start);

  // --- Connections from members ---

  Visit Receive(consensus::NodeId member);
  consensus::Verdict Judge(consensus::NodeId member, const consensus::Statement& statement,
                           const Visit& visit) const;
  // Precondition: it was judged, and is fine. False: a newer start of that member is known.
  bool Accept(consensus::NodeId member, const consensus::Statement& statement);

  // --- Who has lost its data ---

  // For ever: it is listened to no more, and what it has acknowledged counts for nothing.
  void Convict(consensus::NodeId member, std::string_view reason);
  bool IsConvicted(consensus::NodeId member) const { return ledger_.IsConvicted(member); }
  // For ever: this node takes part in nothing.
  void ConvictSelf(std::string_view reason);
  // Empty: it is not convicted.
  const std::string& own_conviction() const { return ledger_.own_conviction(); }

 private:
  consensus::StartLedger ledger_;
  consensus::Raft& raft_;
  Clock& clock_;
  consensus::Random random_;
  consensus::Term drawn_in_;
  int64_t drawn_at_ms_ = 0;
  consensus::PersistSeq write_;  // that holds the ledger; 0: none is on its way
};

}  // namespace quorate
