#include "src/node/member_starts.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <utility>

namespace quorate {

using consensus::NodeId;
using consensus::Verdict;

namespace {

// A copy of a folder that runs undisturbed in one term is told from the original by the starts that
// were drawn after it was made.
constexpr int64_t kDrawIntervalMs = int64_t{60} * 60 * 1000;

}  // namespace

MemberStarts::MemberStarts(consensus::StartLedger ledger, consensus::Raft& raft, Clock& clock,
                           uint64_t seed)
    : ledger_(std::move(ledger)),
      raft_(raft),
      clock_(clock),
      random_(seed),
      drawn_in_(raft.current_term()),
      drawn_at_ms_(clock.monotonic_ms()) {
  ledger_.Draw(random_.Next());
  if (!own_conviction().empty()) LoseData();
}

// --- Rounds ---

void MemberStarts::BeginWrite() {
  const int64_t now_ms = clock_.monotonic_ms();
  if (raft_.current_term() != drawn_in_ || now_ms - drawn_at_ms_ >= kDrawIntervalMs) {
    drawn_in_ = raft_.current_term();
    drawn_at_ms_ = now_ms;
    ledger_.Draw(random_.Next());
  }
  if (ledger_.dirty() && !ledger_.writing()) raft_.KeepLedger(ledger_.TakeBytes());
}

void MemberStarts::Persisted(consensus::PersistSeq durable) {
  if (write_ == consensus::PersistSeq() || durable < write_) return;
  write_ = {};
  ledger_.Persisted();
}

// --- Connections to members ---

std::string MemberStarts::OnWelcome(NodeId peer, const consensus::Expectation& expectation,
                                    const consensus::Welcome& welcome) {
  const Verdict verdict = ledger_.JudgeWelcome(peer, expectation, welcome);
  if (verdict.kind == Verdict::Kind::kLost) {
    const bool is_final = welcome.lost || IsConvicted(peer);
    if (forgives() && !is_final) {
      // Unless it has connected already, and told of that start itself.
      if (ledger_.Expect(peer).noted != welcome.own) ledger_.Forget(peer);
      return "";
    }
    if (!forgives()) Convict(peer, verdict.reason);
    return "it has lost data";
  }
  // The peer is to hear of that, and to keep it in mind.
  if (verdict.kind == Verdict::Kind::kSelfLost) ConvictSelf(verdict.reason);
  return "";
}

std::optional<consensus::Statement> MemberStarts::MakeStatement(NodeId peer, uint64_t nonce) const {
  const auto durable = raft_.durable_state();
  if (!is_ready() || !durable) return std::nullopt;
  return ledger_.MakeStatement(peer, nonce, durable->hard_state.current_term,
                               durable->hard_state.voted_for, durable->last_index);
}

void MemberStarts::OnStartNoted(NodeId from, consensus::Start start) {
  const Verdict verdict = ledger_.OnConfirmed(from, start);
  if (verdict.kind == Verdict::Kind::kSelfLost) ConvictSelf(verdict.reason);
}

std::optional<consensus::StartNoted> MemberStarts::TakeConfirmation(NodeId peer) {
  // What this node confirms, it must not forget. It would, if it was started anew before the vote
  // is durable that ends its forgiving.
  if (forgives() || !raft_.durable_state()) return std::nullopt;
  const std::optional<consensus::Start> start = ledger_.TakeConfirmation(peer);
  if (!start) return std::nullopt;
  return consensus::StartNoted{*start};
}

// --- Connections from members ---

MemberStarts::Visit MemberStarts::Receive(NodeId member) {
  Visit visit{.challenge = ledger_.MakeChallenge(member, random_.Next()), .acknowledged = {}};
  if (forgives()) {
    // The member must not take what it lacks of that for a loss of its own, nor is it held against
    // it later on this connection.
    visit.challenge.welcome.keeps_note = false;
    visit.challenge.noted = {};
  }
  if (raft_.is_leader()) {
    for (const consensus::PeerStatus& peer : raft_.peers()) {
      if (peer.id != member) continue;
      visit.acknowledged = consensus::Acknowledged{raft_.current_term(), peer.match_index};
    }
  }
  return visit;
}

MemberStarts::Answer MemberStarts::OnStatement(NodeId member, const consensus::Statement& statement,
                                               const Visit& visit, Standing standing) {
  if (forgives() && !IsConvicted(member)) ledger_.Forget(member);
  Verdict verdict = ledger_.Judge(member, statement, visit.challenge, visit.acknowledged);
  switch (verdict.kind) {
    case Verdict::Kind::kRefused:
      return {Reception::kRefused, std::move(verdict.reason)};
    case Verdict::Kind::kLost:
      if (forgives()) return {Reception::kRefused, std::move(verdict.reason)};
      if (standing == Standing::kInDoubt && !IsConvicted(member)) {
        return {Reception::kRefused,
                fmt::format("another process of node {} is still connected but does not answer, "
                            "and this one is not its successor: {}",
                            member.value(), verdict.reason)};
      }
      Convict(member, verdict.reason);
      return {Reception::kLost, std::move(verdict.reason)};
    case Verdict::Kind::kSelfLost:
      ConvictSelf(verdict.reason);
      return {Reception::kSelfLost, std::move(verdict.reason)};
    case Verdict::Kind::kFine:
      break;
  }
  ledger_.Accept(member, statement);
  if (ledger_.IsNewest(member, statement.starts.back())) return {};
  return {Reception::kRefused, fmt::format("node {} was started again since", member.value())};
}

void MemberStarts::OnVote(NodeId member, consensus::Term term) {
  ledger_.NoteVote(member, term, raft_.id());
}

// --- Who has lost its data ---

void MemberStarts::Convict(NodeId member, std::string_view reason) {
  if (IsConvicted(member)) return;
  ledger_.Convict(member, reason);
  if (!IsConvicted(member)) return;  // it was removed
  spdlog::error(
      "node {} has lost data and takes part in nothing any more: {}. Replace it with CLUSTER MEET",
      member.value(), reason);
  raft_.PeerLostData(member);
}

void MemberStarts::ConvictSelf(std::string_view reason) {
  if (!own_conviction().empty()) return;
  ledger_.ConvictSelf(reason);
  LoseData();
}

void MemberStarts::LoseData() {
  spdlog::error(
      "this node has lost data and takes part in nothing any more: {}. CLUSTER MEET on the leader "
      "replaces it",
      own_conviction());
  raft_.LoseData();
}

}  // namespace quorate
