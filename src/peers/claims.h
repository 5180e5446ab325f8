// Decides which process has a member's place when more than one claims it: a copy of the member's
// folder was started, or its command line on another machine. A copy lacks the starts that the
// original has drawn since. Judging the copy as the member would convict the original, so a claim
// is first checked by dialling back: the owner asks, at the address where this node knows the
// member to be, which process answers there. That process keeps the place.
//
// The answers name processes and not starts. A process draws starts while the answer is on its way,
// and a copy of its folder has the same ones.
//
// An answer counts for the claims that were made before the dial began. Process A of a member
// answers, dies, and the member restarts as B. B's claim can arrive before A's answer. If the
// answer counted against B, it would end the member's only process.
//
// No sockets, no clock. Loop thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "consensus/types.h"
#include "src/members/probe_answer.h"

namespace quorate {

class Claims {
 public:
  // A connection whose other side says that it is this member.
  struct Claim {
    uint64_t connection = 0;  // its number, which no other connection has had
    consensus::NodeId member;
    uint64_t process = 0;  // see Hello
  };

  enum class Outcome : uint8_t {
    kFree,     // no other process has the place: the claimant's Statement decides
    kDoubt,    // nobody answers, but a connection of another process is open: it may hang, or the
               // kernel has not noticed its end. The claimant may get the place, and if it has
               // lost data, that proves nothing about the member.
    kTaken,    // another process answers at the member's address
    kAskLater  // too many claims, or a newer connection of the same process
  };

  class Owner {
   public:
    virtual ~Owner() = default;
    // Finds out who answers at the address of this member, and calls OnAnswer later. Returns false
    // if the address is not known; then no call follows.
    virtual bool Dial(uint64_t dial, consensus::NodeId member) = 0;
    // Whether a process of the member other than this one has an accepted connection.
    virtual bool AnotherIsConnected(consensus::NodeId member, uint64_t process) const = 0;
    // Called once for each claim that was not withdrawn before its check ended. May call Make and
    // Withdraw; ignore a connection that was closed meanwhile.
    virtual void Decided(uint64_t connection, Outcome outcome) = 0;
  };

  // Different processes. More cannot be told apart from a flood.
  static constexpr size_t kClaimsPerMemberMax = 4;
  // Longer than the lookup of a name, or the connection to one address, may take (MemberProbe).
  static constexpr uint64_t kDialMsMax = 2'000;
  // Between the beginnings of two dials to one member.
  static constexpr uint64_t kDialIntervalMs = 100;

  // `owner` must outlive this.
  explicit Claims(Owner& owner) : owner_(owner) {}

  // Times are of one clock that never goes back.
  void Make(const Claim& claim, uint64_t now_ms);
  // The connection is closed. Does nothing if it has no open claim.
  void Withdraw(uint64_t connection);
  // `dial`: as given to the owner. Late answers do no harm.
  void OnAnswer(uint64_t dial, const ProbeAnswer& answer, uint64_t now_ms);
  // Call often: begins dials that were put off, and ends those that take too long.
  void Advance(uint64_t now_ms);

  // All bounded by the number of members.
  size_t open() const;

 private:
  struct Open {
    Claim claim;
    bool dialled = false;  // made before the dial in progress began
  };
  struct OfMember {
    std::vector<Open> claims;  // the oldest first
    uint64_t dial = 0;         // in progress; 0: none
    std::optional<uint64_t> dialled_at_ms = {};
  };
  struct Decision {
    uint64_t connection;
    Outcome outcome;
  };

  // Both return what is decided by that, for Tell.
  [[nodiscard]] std::vector<Decision> BeginDial(consensus::NodeId member, OfMember& of_member,
                                                uint64_t now_ms);
  [[nodiscard]] std::vector<Decision> EndDial(consensus::NodeId member, OfMember& of_member,
                                              const ProbeAnswer& answer);
  // The owner may change everything here.
  void Tell(const std::vector<Decision>& decisions);

  Owner& owner_;
  uint64_t last_dial_ = 0;
  std::map<consensus::NodeId, OfMember> members_;
};

}  // namespace quorate
