// Numbered starts: how servers notice that a member's data folder was put back to an earlier state.
//
// A server draws a Start, a count and a random number, each time its process starts, in each new
// term and each hour. The count grows by one with each draw. Every member notes the newest start of
// every other member and confirms it once the note is durable. A folder that was put back lacks the
// starts drawn since the copy was made. It draws other ones in their place, and a member that has
// noted one of the lost starts notices. Such a server has forgotten votes and acknowledgements, so
// it must not take part any more: it is convicted, for ever, and has to be replaced.
//
// How two servers talk. M has opened a connection to P:
//
//   M  Expect(P)                remembers what M knew when it sent its Hello
//   P  MakeChallenge(M, nonce)  remembers what P had noted of M, and sends the Welcome
//   M  JudgeWelcome(...)        then, also if that convicts M itself, it sends MakeStatement(...)
//   P  Judge(...)               if fine: Accept(...), and messages of this connection count
//   P  Persisted()              now TakeConfirmation(M) is due, and P sends it to M
//   M  OnConfirmed(...)
//
// M repeats its Statement with the same nonce on each connection when it has drawn a new start.
// The start that a connection speaks for is the last one of its latest accepted Statement.
//
// Why this convicts nobody falsely: a server says nothing of itself before it is durable. So what P
// knew when it drew the nonce was durable in M's folder when M made its Statement, and has to be
// there still. What P learns between nonce and Statement proves nothing: the Statement may be
// older. The same holds for M's Hello and P's Welcome.
//
// What cannot be known:
// - A folder put back to a state that holds all starts that the others have noted. Nothing is said
//   to lack. Its term, its vote and, for the leader, the end of its log are compared as well.
// - A folder put back that drew more than kStartsMax starts before it met the server that noted the
//   lost one. Only the newest kStartsMax are kept.
// - A lost start that nobody noted durably, or that was noted only by servers that are gone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "consensus/types.h"

namespace quorate::consensus {

// Own starts that are kept, and sent in a Statement. A member that was away for more of them cannot
// compare the older ones, which makes its judgement milder.
inline constexpr size_t kStartsMax = 1024;
// Other servers of which something is kept: all members, and some that join.
inline constexpr size_t kPeersMax = 64;
// Longer reasons of convictions are cut.
inline constexpr size_t kReasonBytesMax = 256;
// A ledger as bytes: what the driver reserves, so that a full disk keeps no note from being
// durable.
inline constexpr size_t kLedgerBytesMax = size_t{32} << 10;

// Count 0: none.
struct Start {
  uint64_t count = 0;
  uint64_t random = 0;

  bool operator==(const Start&) const = default;
};

// What a server knows of another one.
struct Note {
  Start start;  // the newest
  Term term;    // the highest
  NodeId voted_for;

  bool operator==(const Note&) const = default;
};

// What the accepting side of a connection answers to a Hello.
struct Welcome {
  uint64_t nonce = 0;
  Start own = {};          // the newest durable start of who answers at this address
  Start noted = {};        // the newest start of the connecting side that is durably noted
  bool keeps_note = true;  // false: the connecting side was removed, and `noted` says nothing
  bool lost = false;       // the accepting side is convicted, and knows it

  bool operator==(const Welcome&) const = default;
};

// What the accepting side remembers with a connection.
struct Challenge {
  Welcome welcome;
  Note noted;  // of the connecting side, as of now
};

// What the connecting side remembers with a connection.
struct Expectation {
  Start noted = {};      // of the accepting side
  Start confirmed = {};  // the newest own start that the accepting side has confirmed
};

// What the connecting side says after a Welcome. All of it is durable.
struct Statement {
  uint64_t nonce = 0;    // of that Welcome
  Start confirmed = {};  // the newest start of the sender that the receiver has confirmed
  // The sender's starts after `confirmed`, or the newest kStartsMax of them, or at least the
  // newest start: never empty, without gaps, ascending.
  std::vector<Start> starts = {};
  Term term = {};
  NodeId voted_for = {};
  Index durable_index = {};  // the end of the log
  bool lost = false;         // the sender is convicted, and knows it

  bool operator==(const Statement&) const = default;
};

// Whether MakeStatement can have made it: for what comes from another server.
bool IsValid(const Statement& statement);

// What a leader has been told by a follower: `term` is the leader's, `match` the match_index that
// the follower acknowledged in it.
struct Acknowledged {
  Term term;
  Index match;
};

struct Verdict {
  enum class Kind {
    kFine,
    kRefused,   // not to be used, and proves nothing: end the connection
    kLost,      // the other server's folder was put back: Convict() it
    kSelfLost,  // this server's folder was put back: ConvictSelf(), and stop
  };

  Kind kind = Kind::kFine;
  std::string reason = {};  // for an operator; empty when fine
};

// One server's ledger. No I/O, no clock, no chance: the driver hands in random numbers and keeps
// the bytes. One thread.
//
// Durability: a change counts in memory at once, and dirty() is true. The driver makes TakeBytes()
// durable, one write at a time, and reports Persisted() or NotPersisted(). current(), Statements,
// Welcomes and confirmations use what is durable only.
class StartLedger {
 public:
  // The empty ledger of server `self`.
  explicit StartLedger(NodeId self);
  // A ledger that was found in a folder, all of it durable. Nothing: the bytes are damaged or
  // another server's, and the folder must not be used.
  static std::optional<StartLedger> Decode(NodeId self, std::string_view bytes);

  // --- Durability ---

  // Whether something is to be written that no write in progress contains.
  bool dirty() const { return changed_; }
  bool writing() const { return writing_.has_value(); }
  // At most kLedgerBytesMax. Precondition: !writing(). Call Persisted() or NotPersisted() next.
  std::string TakeBytes();
  // The bytes taken last are durable.
  void Persisted();
  // They may not be. The ledger is dirty again.
  void NotPersisted();

  // --- Own starts ---

  // Draws the next start. Call at each start of the process, in each new term and each hour. Does
  // nothing if the start drawn last still waits to be written: nobody has been told of it.
  void Draw(uint64_t random);
  // The newest durable one.
  Start current() const { return current_; }

  // --- Members ---

  // The members as of a committed configuration: one that cannot be undone. Forgets servers that
  // were removed. An id that was forgotten does not come back, even if an older configuration is
  // given after a restart.
  void SetMembers(const Configuration& committed);

  // --- Connections to others ---

  // For a Hello to `peer`, which is sent now.
  Expectation Expect(NodeId peer) const;
  Verdict JudgeWelcome(NodeId peer, const Expectation& expectation, const Welcome& welcome) const;
  // The term, the vote and the log's end must be durable. Precondition: current() is not none.
  Statement MakeStatement(NodeId peer, uint64_t nonce, Term term, NodeId voted_for,
                          Index durable_index) const;
  // `from` has confirmed a start of this server. Duplicates and late ones do no harm.
  Verdict OnConfirmed(NodeId from, Start start);

  // --- Connections from others ---

  Challenge MakeChallenge(NodeId member, uint64_t nonce) const;
  // `acknowledged`: what `member` had acknowledged when the challenge was made, if this server was
  // the leader then.
  Verdict Judge(NodeId member, const Statement& statement, const Challenge& challenge,
                std::optional<Acknowledged> acknowledged) const;
  // Notes what a statement says. Precondition: Judge() finds it fine.
  void Accept(NodeId member, const Statement& statement);
  // The member has voted for `voted_for` (0: not known) in this term, and that is durable there.
  void NoteVote(NodeId member, Term term, NodeId voted_for);
  // The start whose durable note is to be confirmed to this member now, if any: each once. A
  // confirmation that is lost on its way is due again after the member's next Statement.
  std::optional<Start> TakeConfirmation(NodeId member);
  // Drops what is noted of `member`, durable or not: its next Statement is the first one. Nothing
  // of that may have been confirmed to the member.
  void Forget(NodeId member);
  // Fencing: whether messages of a connection that speaks for `start` of this member count. False
  // if a newer start is noted. True if none is noted.
  bool IsNewest(NodeId member, Start start) const;

  // --- Convictions ---

  // The first reason stays. A member that was removed is not convicted: it is out already.
  void Convict(NodeId member, std::string_view reason);
  bool IsConvicted(NodeId member) const;
  // Precondition: IsConvicted(member).
  const std::string& ConvictionOf(NodeId member) const;
  // The convicted members and the reasons.
  std::vector<std::pair<NodeId, std::string>> convictions() const;

  void ConvictSelf(std::string_view reason);
  // Empty: this server is not convicted.
  const std::string& own_conviction() const { return own_conviction_; }

 private:
  struct Peer {
    Note noted;
    Start durable_noted;
    Start known_to_it;  // what of durable_noted the peer knows, as far as this server knows
    Start confirmed;    // the newest own start that the peer has durably noted
    std::string conviction;
  };

  // What becomes durable with the write in progress.
  struct Writing {
    Start newest;  // own one
    std::vector<std::pair<NodeId, Start>> noted;
  };

  bool IsRemoved(NodeId id) const;
  // Whether this server's folder lacks a start that it told others of.
  bool HasLost(Start told) const;
  const Peer* FindPeer(NodeId id) const;
  // Adds it if need be. Null: it was removed, or there are too many.
  Peer* GetPeer(NodeId id);
  void NoteVote(Peer& peer, Term term, NodeId voted_for);
  void PruneStarts();
  std::string Encode() const;

  NodeId self_;
  // Servers with an id below this are members and have a Peer, or were removed, or are this one.
  NodeId next_id_;
  std::deque<Start> starts_;  // without gaps, from current_ or an earlier one on
  Start current_;             // the newest durable one
  std::map<NodeId, Peer> peers_;
  std::string own_conviction_;

  bool changed_ = false;
  std::optional<Writing> writing_;
};

}  // namespace quorate::consensus
