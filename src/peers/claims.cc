#include "src/peers/claims.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace quorate {

using consensus::NodeId;

// --- Claims ---

void Claims::Make(const Claim& claim, uint64_t now_ms) {
  assert(claim.member != NodeId());
  OfMember& of_member = members_[claim.member];
  std::vector<Open>& claims = of_member.claims;
  const auto same = std::ranges::find_if(
      claims, [&](const Open& open) { return open.claim.process == claim.process; });
  if (same != claims.end()) {
    // A process that connects again was there when its earlier claim was made: the dial in progress
    // counts for it, so connecting again and again causes no further dials.
    const uint64_t earlier = std::exchange(same->claim.connection, claim.connection);
    Tell({{earlier, Outcome::kAskLater}});
    return;
  }
  if (claims.size() == kClaimsPerMemberMax) {
    Tell({{claim.connection, Outcome::kAskLater}});
    return;
  }
  claims.push_back({.claim = claim});
  Tell(BeginDial(claim.member, of_member, now_ms));
}

void Claims::Withdraw(uint64_t connection) {
  for (auto& [member, of_member] : members_) {
    std::erase_if(of_member.claims,
                  [&](const Open& open) { return open.claim.connection == connection; });
  }
}

size_t Claims::open() const {
  size_t open = 0;
  for (const auto& [member, of_member] : members_) open += of_member.claims.size();
  return open;
}

// --- Dials ---

std::vector<Claims::Decision> Claims::BeginDial(NodeId member, OfMember& of_member,
                                                uint64_t now_ms) {
  const bool too_soon =
      of_member.dialled_at_ms && now_ms - *of_member.dialled_at_ms < kDialIntervalMs;
  if (of_member.dial != 0 || of_member.claims.empty() || too_soon) return {};
  of_member.dial = ++last_dial_;
  of_member.dialled_at_ms = now_ms;
  for (Open& open : of_member.claims) open.dialled = true;
  if (owner_.Dial(of_member.dial, member)) return {};
  return EndDial(member, of_member, {.kind = ProbeAnswer::Kind::kNobody});
}

std::vector<Claims::Decision> Claims::EndDial(NodeId member, OfMember& of_member,
                                              const ProbeAnswer& answer) {
  of_member.dial = 0;
  const bool is_there =
      answer.kind == ProbeAnswer::Kind::kMember && NodeId(answer.member_id) == member;
  std::vector<Decision> decisions;
  std::vector<Open> left;
  for (Open open : of_member.claims) {
    const Claim& claim = open.claim;
    if (open.dialled && is_there) {
      decisions.push_back(
          {claim.connection, answer.process == claim.process ? Outcome::kFree : Outcome::kTaken});
    } else if (open.dialled && decisions.empty()) {
      // One claim is decided, since the claimant may take the place. The others are checked again,
      // then at the address of that one.
      const bool in_doubt = owner_.AnotherIsConnected(member, claim.process);
      decisions.push_back({claim.connection, in_doubt ? Outcome::kDoubt : Outcome::kFree});
    } else {
      open.dialled = false;
      left.push_back(open);
    }
  }
  of_member.claims = std::move(left);
  return decisions;
}

void Claims::OnAnswer(uint64_t dial, const ProbeAnswer& answer, uint64_t now_ms) {
  const auto found =
      std::ranges::find_if(members_, [&](const auto& entry) { return entry.second.dial == dial; });
  if (found == members_.end()) return;
  Tell(EndDial(found->first, found->second, answer));
  Advance(now_ms);
}

void Claims::Advance(uint64_t now_ms) {
  std::vector<Decision> decisions;
  const auto decide = [&](std::vector<Decision> more) {
    decisions.insert(decisions.end(), more.begin(), more.end());
  };
  for (auto& [member, of_member] : members_) {
    if (of_member.dial != 0 && now_ms - *of_member.dialled_at_ms >= kDialMsMax) {
      decide(EndDial(member, of_member, {.kind = ProbeAnswer::Kind::kNobody}));
    }
    decide(BeginDial(member, of_member, now_ms));
  }
  std::erase_if(members_, [&](const auto& entry) {
    const OfMember& of_member = entry.second;
    return of_member.claims.empty() && of_member.dial == 0 &&
           now_ms - of_member.dialled_at_ms.value_or(now_ms) >= kDialIntervalMs;
  });
  Tell(decisions);
}

void Claims::Tell(const std::vector<Decision>& decisions) {
  for (const Decision& decision : decisions) owner_.Decided(decision.connection, decision.outcome);
}

}  // namespace quorate
