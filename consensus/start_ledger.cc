#include "consensus/start_ledger.h"

#include <algorithm>
#include <cassert>
#include <limits>
#include <utility>

#include "consensus/configuration.h"
#include "consensus/crc32c.h"
#include "consensus/encoding.h"

namespace quorate::consensus {

namespace {

constexpr uint8_t kFormat = 1;

// Servers that are no members yet. Each of the others is one.
constexpr size_t kStrangersMax = kPeersMax - kConfigurationMembersMax;

std::string NameOf(NodeId id) { return "node " + std::to_string(id.value()); }

std::string NameOf(Start start) {
  return start == Start() ? "no start" : "start " + std::to_string(start.count);
}

Verdict PutBack(Verdict::Kind kind, NodeId id, const std::string& why) {
  return {kind, "the data folder of " + NameOf(id) + " was put back to an earlier state: " + why};
}

std::string SaysSoItself(NodeId id) { return NameOf(id) + " says that it has lost data"; }

std::string Another(Start noted) {
  return "it told of " + NameOf(noted) + " before, and now has another start of that number";
}

std::string Older(Start newest, Start noted) {
  return newest.count == noted.count
             ? Another(noted)
             : "it told of " + NameOf(noted) + " before, and its newest is " + NameOf(newest);
}

// Whether a server that had `known` at one time and has `later` as its newest at a later time has
// lost something in between.
bool WentBack(Start known, Start later) {
  return later.count < known.count || (later.count == known.count && later != known);
}

// Whether a folder that drew these starts did not draw `known`. Starts without gaps, ascending.
// A folder draws one start of each count, so this does not depend on which was said first.
template <typename Starts>
bool DrewAnotherThan(Start known, const Starts& starts) {
  return !starts.empty() && starts.front().count <= known.count &&
         known.count <= starts.back().count && starts[known.count - starts.front().count] != known;
}

template <typename Starts>
bool WithoutGaps(const Starts& starts) {
  return std::adjacent_find(starts.begin(), starts.end(), [](Start one, Start next) {
           return one.count == std::numeric_limits<uint64_t>::max() || next.count != one.count + 1;
         }) == starts.end();
}

void PutStart(Start start, std::string* out) {
  Put(start.count, out);
  Put(start.random, out);
}

Start TakeStart(Taker& taker) {
  const auto count = taker.Take<uint64_t>();
  return {count, taker.Take<uint64_t>()};
}

}  // namespace

bool IsValid(const Statement& statement) {
  const std::vector<Start>& starts = statement.starts;
  if (starts.empty() || starts.size() > kStartsMax || starts.front().count == 0 ||
      !WithoutGaps(starts)) {
    return false;
  }
  return starts.front().count > statement.confirmed.count ||
         (starts.size() == 1 && starts.front() == statement.confirmed);
}

StartLedger::StartLedger(NodeId self) : self_(self) { assert(self != NodeId()); }

// --- Durability ---

std::string StartLedger::Encode() const {
  std::string bytes;
  Put(kFormat, &bytes);
  Put(self_.value(), &bytes);
  Put(next_id_.value(), &bytes);
  PutText(own_conviction_, &bytes);
  Put(static_cast<uint16_t>(starts_.size()), &bytes);
  Put(starts_.empty() ? uint64_t{0} : starts_.front().count, &bytes);
  for (const Start start : starts_) {
    Put(start.random, &bytes);
  }
  Put(static_cast<uint16_t>(peers_.size()), &bytes);
  for (const auto& [id, peer] : peers_) {
    Put(id.value(), &bytes);
    PutStart(peer.noted.start, &bytes);
    Put(peer.noted.term.value(), &bytes);
    Put(peer.noted.voted_for.value(), &bytes);
    PutStart(peer.confirmed, &bytes);
    PutText(peer.conviction, &bytes);
  }
  Put(Crc32c(bytes), &bytes);
  return bytes;
}

std::optional<StartLedger> StartLedger::Decode(NodeId self, std::string_view bytes) {
  constexpr size_t kSumBytes = 4;
  if (bytes.size() < kSumBytes) {
    return std::nullopt;
  }
  const std::string_view summed = bytes.substr(0, bytes.size() - kSumBytes);
  if (Taker(bytes.substr(summed.size())).Take<uint32_t>() != Crc32c(summed)) {
    return std::nullopt;
  }
  Taker taker(summed);
  if (taker.Take<uint8_t>() != kFormat || taker.Take<uint64_t>() != self.value()) {
    return std::nullopt;
  }
  StartLedger ledger(self);
  ledger.next_id_ = NodeId(taker.Take<uint64_t>());
  ledger.own_conviction_ = taker.TakeText();
  const auto starts = taker.Take<uint16_t>();
  const auto first_count = taker.Take<uint64_t>();
  for (size_t i = 0; i < starts && taker.ok(); ++i) {
    ledger.starts_.push_back({first_count + i, taker.Take<uint64_t>()});
  }
  NodeId last;
  const auto peers = taker.Take<uint16_t>();
  for (size_t i = 0; i < peers && taker.ok(); ++i) {
    const NodeId id(taker.Take<uint64_t>());
    Peer peer;
    peer.noted.start = TakeStart(taker);
    peer.noted.term = Term(taker.Take<uint64_t>());
    peer.noted.voted_for = NodeId(taker.Take<uint64_t>());
    peer.confirmed = TakeStart(taker);
    peer.conviction = taker.TakeText();
    peer.durable_noted = peer.noted.start;
    if (id <= last || id == self || peer.conviction.size() > kReasonBytesMax) {
      return std::nullopt;
    }
    last = id;
    ledger.peers_.emplace(id, std::move(peer));
  }
  if (!taker.complete() || ledger.starts_.size() > kStartsMax || !WithoutGaps(ledger.starts_) ||
      ledger.peers_.size() > kPeersMax || ledger.own_conviction_.size() > kReasonBytesMax ||
      (first_count == 0) != ledger.starts_.empty()) {
    return std::nullopt;
  }
  if (!ledger.starts_.empty()) {
    ledger.current_ = ledger.starts_.back();
  }
  return ledger;
}

std::string StartLedger::TakeBytes() {
  assert(!writing_);
  PruneStarts();
  changed_ = false;
  writing_.emplace();
  writing_->newest = starts_.empty() ? Start() : starts_.back();
  for (const auto& [id, peer] : peers_) {
    writing_->noted.emplace_back(id, peer.noted.start);
  }
  std::string bytes = Encode();
  assert(bytes.size() <= kLedgerBytesMax);
  return bytes;
}

void StartLedger::Persisted() {
  assert(writing_);
  assert(writing_->newest.count >= current_.count);
  current_ = writing_->newest;
  for (const auto& [id, start] : writing_->noted) {
    if (const auto found = peers_.find(id); found != peers_.end()) {
      found->second.durable_noted = start;
    }
  }
  writing_.reset();
}

void StartLedger::NotPersisted() {
  assert(writing_);
  writing_.reset();
  // One start is enough to be written next, and nobody has been told of any.
  while (!starts_.empty() && starts_.back().count > current_.count + 1) {
    starts_.pop_back();
  }
  changed_ = true;
}

// --- Own starts ---

void StartLedger::Draw(uint64_t random) {
  const uint64_t newest = starts_.empty() ? 0 : starts_.back().count;
  assert(newest < std::numeric_limits<uint64_t>::max());
  if (newest > (writing_ ? writing_->newest : current_).count) {
    return;
  }
  starts_.push_back({newest + 1, random});
  assert(newest <= current_.count + 1);  // so current_ stays
  if (starts_.size() > kStartsMax) {
    starts_.pop_front();
  }
  changed_ = true;
}

void StartLedger::PruneStarts() {
  uint64_t confirmed_by_all = std::numeric_limits<uint64_t>::max();
  for (const auto& [id, peer] : peers_) {
    confirmed_by_all = std::min(confirmed_by_all, peer.confirmed.count);
  }
  while (!starts_.empty() && starts_.front().count <= confirmed_by_all &&
         starts_.front().count < current_.count) {
    starts_.pop_front();
  }
}

// --- Members ---

bool StartLedger::IsRemoved(NodeId id) const {
  return id != self_ && id < next_id_ && !peers_.contains(id);
}

const StartLedger::Peer* StartLedger::FindPeer(NodeId id) const {
  const auto found = peers_.find(id);
  return found == peers_.end() ? nullptr : &found->second;
}

StartLedger::Peer* StartLedger::GetPeer(NodeId id) {
  assert(id != NodeId());
  assert(id != self_);
  if (const auto found = peers_.find(id); found != peers_.end()) {
    return &found->second;
  }
  // None is dropped to make room: this server may have confirmed what it noted of it.
  if (IsRemoved(id) || peers_.size() >= kStrangersMax) {
    return nullptr;
  }
  changed_ = true;
  return &peers_[id];
}

void StartLedger::SetMembers(const Configuration& committed) {
  assert(IsValid(committed));
  const auto removed = std::erase_if(peers_, [&](const auto& peer) {
    return peer.first < committed.next_id && FindMember(committed, peer.first) == nullptr;
  });
  // Not those below next_id_ that are unknown. This server has forgotten what it noted of them. If
  // it took them for members again, it would miss what it has confirmed to them, and convict
  // itself.
  for (const ConfigurationMember& member : committed.members) {
    if (member.id >= next_id_ && member.id != self_) {
      peers_[member.id];
    }
  }
  changed_ = changed_ || removed > 0 || committed.next_id > next_id_;
  next_id_ = std::max(next_id_, committed.next_id);
  assert(peers_.size() <= kPeersMax);
}

// --- Connections to others ---

Expectation StartLedger::Expect(NodeId peer) const {
  const Peer* known = FindPeer(peer);
  return known == nullptr ? Expectation() : Expectation{known->noted.start, known->confirmed};
}

Verdict StartLedger::JudgeWelcome(NodeId peer, const Expectation& expectation,
                                  const Welcome& welcome) const {
  if (!own_conviction_.empty()) {
    return {Verdict::Kind::kSelfLost, own_conviction_};
  }
  if (IsRemoved(peer)) {
    return {};
  }
  if (IsConvicted(peer)) {
    return {Verdict::Kind::kLost, FindPeer(peer)->conviction};
  }
  if (welcome.lost) {
    return {Verdict::Kind::kLost, SaysSoItself(peer)};
  }
  // First: if the peer went back, what it has noted since may be starts of another copy of this
  // server's folder.
  if (welcome.keeps_note && WentBack(expectation.confirmed, welcome.noted)) {
    return PutBack(Verdict::Kind::kLost, peer,
                   "it has noted " + NameOf(welcome.noted) + " of " + NameOf(self_) +
                       ", but has confirmed " + NameOf(expectation.confirmed) + " before");
  }
  if (WentBack(expectation.noted, welcome.own)) {
    return PutBack(Verdict::Kind::kLost, peer, Older(welcome.own, expectation.noted));
  }
  if (welcome.keeps_note && HasLost(welcome.noted)) {
    return PutBack(Verdict::Kind::kSelfLost, self_,
                   NameOf(peer) + " has noted " + NameOf(welcome.noted) + ", which it lacks");
  }
  return {};
}

bool StartLedger::HasLost(Start told) const {
  return told.count > current_.count || DrewAnotherThan(told, starts_);
}

Statement StartLedger::MakeStatement(NodeId peer, uint64_t nonce, Term term, NodeId voted_for,
                                     Index durable_index) const {
  assert(current_ != Start());
  const Peer* known = FindPeer(peer);
  Statement statement;
  statement.nonce = nonce;
  statement.confirmed = known == nullptr ? Start() : known->confirmed;
  for (const Start start : starts_) {
    if (start.count > statement.confirmed.count && start.count <= current_.count) {
      statement.starts.push_back(start);
    }
  }
  if (statement.starts.empty()) {
    statement.starts.push_back(current_);
  }
  statement.term = term;
  statement.voted_for = voted_for;
  statement.durable_index = durable_index;
  statement.lost = !own_conviction_.empty();
  assert(consensus::IsValid(statement));
  return statement;
}

Verdict StartLedger::OnConfirmed(NodeId from, Start start) {
  if (IsRemoved(from)) {
    return {};
  }
  if (HasLost(start)) {
    return PutBack(Verdict::Kind::kSelfLost, self_,
                   NameOf(from) + " has confirmed " + NameOf(start) + ", which it lacks");
  }
  Peer* peer = GetPeer(from);
  if (peer != nullptr && start.count > peer->confirmed.count) {
    peer->confirmed = start;
    changed_ = true;
  }
  return {};
}

// --- Connections from others ---

Challenge StartLedger::MakeChallenge(NodeId member, uint64_t nonce) const {
  Challenge challenge;
  challenge.welcome.nonce = nonce;
  challenge.welcome.own = current_;
  challenge.welcome.keeps_note = !IsRemoved(member);
  challenge.welcome.lost = !own_conviction_.empty();
  if (const Peer* peer = FindPeer(member)) {
    challenge.welcome.noted = peer->durable_noted;
    challenge.noted = peer->noted;
  }
  return challenge;
}

Verdict StartLedger::Judge(NodeId member, const Statement& statement, const Challenge& challenge,
                           std::optional<Acknowledged> acknowledged) const {
  if (!own_conviction_.empty()) {
    return {Verdict::Kind::kSelfLost, own_conviction_};
  }
  if (!consensus::IsValid(statement)) {
    return {Verdict::Kind::kRefused, NameOf(member) + " has sent a statement without sense"};
  }
  if (statement.nonce != challenge.welcome.nonce) {
    return {Verdict::Kind::kRefused,
            NameOf(member) + " has sent a statement that answers another connection's welcome"};
  }
  if (IsRemoved(member)) {
    return {};
  }
  if (IsConvicted(member)) {
    return {Verdict::Kind::kLost, FindPeer(member)->conviction};
  }
  if (statement.lost) {
    return {Verdict::Kind::kLost, SaysSoItself(member)};
  }
  const Peer* peer = FindPeer(member);
  const Note present = peer == nullptr ? Note() : peer->noted;

  // A confirmation was sent when the note was durable, and durable notes only get newer. If this
  // one is missing, this server went back, and what it believes of others counts for nothing. It
  // has to be compared with the present note, since it may be newer than the challenge.
  if (WentBack(statement.confirmed, peer == nullptr ? Start() : peer->durable_noted)) {
    return PutBack(Verdict::Kind::kSelfLost, self_,
                   "it has confirmed " + NameOf(statement.confirmed) + " to " + NameOf(member) +
                       ", and has noted " +
                       NameOf(peer == nullptr ? Start() : peer->durable_noted));
  }

  const auto lost = [&](const std::string& why) {
    return PutBack(Verdict::Kind::kLost, member, why);
  };
  const Start newest = statement.starts.back();
  // Only what was noted before the statement was made has to be in it. M restarts while the
  // statement of its old connection is on its way; if the statement of the new one arrives first,
  // the old one is older than the present note.
  if (newest.count < challenge.noted.start.count) {
    return lost(Older(newest, challenge.noted.start));
  }
  // Two different starts of one count, however: whichever was said first.
  for (const Start noted : {challenge.noted.start, present.start}) {
    if (DrewAnotherThan(noted, statement.starts)) {
      return lost(Another(noted));
    }
  }

  // Terms do not decrease, and a vote stays for its term.
  const auto term_text = [](Term term) { return "term " + std::to_string(term.value()); };
  const Term noted_term =
      std::max(challenge.noted.term,
               acknowledged && acknowledged->match > Index() ? acknowledged->term : Term());
  if (statement.term < noted_term) {
    return lost("it is in " + term_text(statement.term) + ", but was in " + term_text(noted_term) +
                " before");
  }
  const auto vote_text = [](NodeId vote) { return vote == NodeId() ? "nobody" : NameOf(vote); };
  for (const auto& [noted, earlier] :
       {std::pair(challenge.noted, true), std::pair(present, false)}) {
    // A statement made before the vote does not have it.
    const bool may_lack = !earlier && statement.voted_for == NodeId();
    if (statement.term == noted.term && noted.voted_for != NodeId() &&
        statement.voted_for != noted.voted_for && !may_lack) {
      return lost("in " + term_text(noted.term) + " it has voted for " +
                  vote_text(noted.voted_for) + " and says that it has voted for " +
                  vote_text(statement.voted_for));
    }
  }

  // Within a term, a follower's log is not shortened below what its leader has matched.
  if (acknowledged && acknowledged->term == statement.term &&
      statement.durable_index < acknowledged->match) {
    return lost("its log ends at " + std::to_string(statement.durable_index.value()) +
                ", but it has acknowledged entries up to " +
                std::to_string(acknowledged->match.value()) + " in " + term_text(statement.term));
  }
  return {};
}

void StartLedger::Accept(NodeId member, const Statement& statement) {
  assert(consensus::IsValid(statement));
  Peer* peer = GetPeer(member);
  if (peer == nullptr) {
    return;
  }
  if (statement.starts.back().count > peer->noted.start.count) {
    peer->noted.start = statement.starts.back();
    changed_ = true;
  }
  // What it says to have, even if more was sent: that may be lost.
  peer->known_to_it = statement.confirmed;
  NoteVote(*peer, statement.term, statement.voted_for);
}

void StartLedger::NoteVote(NodeId member, Term term, NodeId voted_for) {
  if (Peer* peer = GetPeer(member)) {
    NoteVote(*peer, term, voted_for);
  }
}

void StartLedger::NoteVote(Peer& peer, Term term, NodeId voted_for) {
  Note& noted = peer.noted;
  if (term > noted.term) {
    noted.term = term;
    noted.voted_for = voted_for;
    changed_ = true;
  } else if (term == noted.term && noted.voted_for == NodeId() && voted_for != NodeId()) {
    noted.voted_for = voted_for;
    changed_ = true;
  }
}

std::optional<Start> StartLedger::TakeConfirmation(NodeId member) {
  const auto found = peers_.find(member);
  if (found == peers_.end()) {
    return std::nullopt;
  }
  Peer& peer = found->second;
  if (peer.durable_noted.count <= peer.known_to_it.count) {
    return std::nullopt;
  }
  peer.known_to_it = peer.durable_noted;
  return peer.durable_noted;
}

void StartLedger::Forget(NodeId member) {
  const auto found = peers_.find(member);
  if (found == peers_.end() || found->second.noted == Note()) {
    return;
  }
  found->second.noted = {};
  found->second.durable_noted = {};
  found->second.known_to_it = {};
  if (writing_) {
    std::erase_if(writing_->noted, [member](const auto& entry) { return entry.first == member; });
  }
  changed_ = true;
}

bool StartLedger::IsNewest(NodeId member, Start start) const {
  const Peer* peer = FindPeer(member);
  return peer == nullptr || peer->noted.start == Start() || peer->noted.start == start;
}

// --- Convictions ---

void StartLedger::Convict(NodeId member, std::string_view reason) {
  assert(!reason.empty());
  Peer* peer = GetPeer(member);
  if (peer != nullptr && peer->conviction.empty()) {
    peer->conviction = reason.substr(0, kReasonBytesMax);
    changed_ = true;
  }
}

bool StartLedger::IsConvicted(NodeId member) const {
  const Peer* peer = FindPeer(member);
  return peer != nullptr && !peer->conviction.empty();
}

const std::string& StartLedger::ConvictionOf(NodeId member) const {
  assert(IsConvicted(member));
  return FindPeer(member)->conviction;
}

std::vector<std::pair<NodeId, std::string>> StartLedger::convictions() const {
  std::vector<std::pair<NodeId, std::string>> convicted;
  for (const auto& [id, peer] : peers_) {
    if (!peer.conviction.empty()) {
      convicted.emplace_back(id, peer.conviction);
    }
  }
  return convicted;
}

void StartLedger::ConvictSelf(std::string_view reason) {
  assert(!reason.empty());
  if (own_conviction_.empty()) {
    own_conviction_ = reason.substr(0, kReasonBytesMax);
    changed_ = true;
  }
}

}  // namespace quorate::consensus
