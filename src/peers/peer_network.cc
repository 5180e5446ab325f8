#include "src/peers/peer_network.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cassert>
#include <utility>
#include <variant>

#include "src/members/member_address.h"
#include "src/net/uv_support.h"
#include "src/peers/peer_refusal.h"

namespace quorate {
namespace {

// Connections of other members, with room for some that are about to be replaced. More are
// strangers'.
constexpr size_t kIncomingMax = 64;

// A member says who it is at once. Checking that takes as long as its address does not answer.
constexpr uint64_t kHandshakeTimeoutMs = 5'000;

}  // namespace

PeerNetwork::PeerNetwork(uv_loop_t* loop, Options options)
    : loop_(loop), options_(std::move(options)) {}

PeerNetwork::~PeerNetwork() { CloseAll(); }

// --- The port ---

std::optional<std::string> PeerNetwork::Listen() {
  return ListenOn(loop_, options_.bind,
                  {options_.port, static_cast<int>(kIncomingMax), this, &OnConnection}, &servers_);
}

void PeerNetwork::OnConnection(uv_stream_t* server, int status) {
  if (status < 0) {
    spdlog::warn("could not accept a peer: {}", UvError(status));
    return;
  }
  static_cast<PeerNetwork*>(server->data)->Accept(server);
}

void PeerNetwork::Accept(uv_stream_t* server) {
  auto* incoming = new Incoming{
      .network = this, .tcp = {}, .number = ++last_number_, .accepted_at_ms = uv_now(loop_)};
  uv_tcp_init(loop_, &incoming->tcp);
  incoming->tcp.data = incoming;
  incoming_.push_back(incoming);
  if (uv_accept(server, reinterpret_cast<uv_stream_t*>(&incoming->tcp)) != 0) {
    Drop(incoming);
    return;
  }
  // Strangers give way to who comes after them, so that they cannot keep members out.
  if (incoming_.size() > kIncomingMax) {
    Incoming* const oldest = OldestStranger();
    Drop(oldest);
    if (oldest == incoming) return;
  }
  sockaddr_storage address{};
  int size = sizeof address;
  if (uv_tcp_getpeername(&incoming->tcp, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
    incoming->address = FormatAddress(address);
  }
  uv_tcp_keepalive(&incoming->tcp, 1, 10);
  StartReading(incoming);
}

void PeerNetwork::StartReading(Incoming* incoming) {
  uv_read_start(
      reinterpret_cast<uv_stream_t*>(&incoming->tcp),
      [](uv_handle_t* handle, size_t, uv_buf_t* buffer) {
        auto& shared = static_cast<Incoming*>(handle->data)->network->read_buffer_;
        *buffer = uv_buf_init(shared.data(), shared.size());
      },
      [](uv_stream_t* stream, ssize_t read, const uv_buf_t* buffer) {
        auto* connection = static_cast<Incoming*>(stream->data);
        connection->network->OnRead(connection, read, buffer);
      });
}

// --- What arrives ---

void PeerNetwork::OnRead(Incoming* incoming, ssize_t size, const uv_buf_t* buffer) {
  if (size == 0) return;
  if (size < 0) {
    const std::optional<uint64_t> from = incoming->from;
    Drop(incoming);
    if (!from) return;
    spdlog::warn("node {} has closed its connection: {}", *from, UvError(static_cast<int>(size)));
    // A process that ends closes its sockets, which the kernel tells at once.
    node_->PeerGone(consensus::NodeId(*from));
    return;
  }
  Take(incoming, {buffer->base, static_cast<size_t>(size)});
}

void PeerNetwork::Take(Incoming* incoming, std::string_view bytes) {
  while (true) {
    if (incoming->claim) {
      incoming->unread = bytes;
      return;
    }
    auto result = incoming->decoder.Next(&bytes);
    if (std::holds_alternative<consensus::FrameDecoder::NeedMore>(result)) return;
    if (auto* message = std::get_if<consensus::Message>(&result); message && incoming->from) {
      node_->Receive(consensus::NodeId(*incoming->from), std::move(*message));
    } else if (!OnFrame(incoming, std::move(result))) {
      return;
    }
  }
}

bool PeerNetwork::OnFrame(Incoming* incoming, consensus::FrameDecoder::Result frame) {
  if (const auto* hello = std::get_if<consensus::Hello>(&frame)) {
    if (!incoming->hello) return OnHello(incoming, *hello);
    if (incoming->hello->from == hello->from) return OnHelloAgain(incoming, *hello);
    if (incoming->from) {
      OnHelloOfAnother(*hello);
      return true;
    }
  } else if (auto* statement = std::get_if<consensus::Statement>(&frame)) {
    if (incoming->visit) return OnStatement(incoming, std::move(*statement));
  } else if (const auto* noted = std::get_if<consensus::StartNoted>(&frame)) {
    if (incoming->from) {
      node_->starts().OnStartNoted(consensus::NodeId(*incoming->from), noted->start);
      return true;
    }
  }
  const auto* failure = std::get_if<consensus::FrameDecoder::Failure>(&frame);
  spdlog::warn("closing the peer connection from {}: {}", incoming->address,
               failure ? failure->text : "a frame that is not expected there");
  Drop(incoming);
  return false;
}

bool PeerNetwork::OnHello(Incoming* incoming, const consensus::Hello& hello) {
  // A cluster that is yet to be founded has no members, and so knows nobody's folder.
  const uint64_t folder = hello.founding == consensus::FoundingId() ? 0 : hello.folder;
  const Node::Offer offer = node_->OfferMembership(hello.cluster_id, hello.to, folder);
  if (offer == Node::Offer::kTaken) {
    Drop(incoming);  // it connects again, to what this node becomes
    return false;
  }
  if (offer == Node::Offer::kNotYet && hello.to == kNobody) {
    Drop(incoming);  // it asks again
    return false;
  }
  if (std::optional<std::string> refusal = Refusal(hello)) {
    Refuse(
        incoming, hello, *refusal,
        offer == Node::Offer::kOtherFolder ? EmptyLine(node_->empty_folder(), *refusal) : *refusal);
    return false;
  }
  incoming->hello = hello;
  if (const auto link = links_.find(hello.from.value()); link != links_.end()) {
    link->second->RetryNow();
  }
  if (node_->starts().is_ready()) return AnswerHello(incoming);
  has_unanswered_ = true;  // this node has nothing to say for itself before its start is durable
  return true;
}

// The other side has learnt of its cluster's founding since it has connected.
bool PeerNetwork::OnHelloAgain(Incoming* incoming, const consensus::Hello& hello) {
  if (std::optional<std::string> refusal = Refusal(hello)) {
    const bool was_member = incoming->from.has_value();
    Refuse(incoming, hello, *refusal, *refusal);
    if (was_member) node_->PeerGone(hello.from);
    return false;
  }
  incoming->hello = hello;
  return true;
}

bool PeerNetwork::AnswerHello(Incoming* incoming) {
  incoming->visit = node_->starts().Receive(incoming->hello->from);
  consensus::FrameBuffer frames;
  frames.Add(consensus::HelloReply{.welcome = incoming->visit->challenge.welcome});
  std::vector<std::string_view> pieces;
  frames.AppendPieces(&pieces);
  assert(pieces.size() == 1);
  const uv_buf_t buffer = uv_buf_init(const_cast<char*>(pieces.front().data()),
                                      static_cast<unsigned>(pieces.front().size()));
  const int written = uv_try_write(reinterpret_cast<uv_stream_t*>(&incoming->tcp), &buffer, 1);
  if (written == static_cast<int>(frames.bytes())) return true;
  Drop(incoming);  // a socket that was just opened takes that much, or is broken
  return false;
}

bool PeerNetwork::OnStatement(Incoming* incoming, consensus::Statement statement) {
  const consensus::NodeId member = incoming->hello->from;
  const bool has_the_place =
      incoming->from || node_->starts().IsNoted(member, statement.starts.back());
  if (has_the_place) return Judge(incoming, statement, MemberStarts::Standing::kSole);
  incoming->claim = std::move(statement);
  uv_read_stop(reinterpret_cast<uv_stream_t*>(&incoming->tcp));
  const uint64_t number = incoming->number;
  claims_.Make({number, member, incoming->hello->process}, uv_now(loop_));
  return FindIncoming(number) != nullptr;
}

bool PeerNetwork::Dial(uint64_t dial, consensus::NodeId member) {
  const auto link = links_.find(member.value());
  if (link == links_.end() || link->second->peer().host.empty()) return false;
  Probe(link->second->peer(), 0,
        [this, dial](const ProbeAnswer& answer) { claims_.OnAnswer(dial, answer, uv_now(loop_)); });
  return true;
}

bool PeerNetwork::AnotherIsConnected(consensus::NodeId member, uint64_t process) const {
  return std::ranges::any_of(incoming_, [&](const Incoming* incoming) {
    return incoming->from == member.value() && incoming->hello->process != process;
  });
}

void PeerNetwork::Decided(uint64_t connection, Claims::Outcome outcome) {
  Incoming* const incoming = FindIncoming(connection);
  if (incoming == nullptr) return;
  const consensus::Statement claim = *std::exchange(incoming->claim, std::nullopt);
  const uint64_t member = incoming->hello->from.value();
  switch (outcome) {
    case Claims::Outcome::kTaken: {
      const std::string line =
          fmt::format("{} another process is node {} of this cluster, and answers at its address",
                      kTwinWord, member);
      Refuse(incoming, *incoming->hello, line, line);
      return;
    }
    case Claims::Outcome::kAskLater: {
      const std::string line =
          fmt::format("this node is checking which process is node {}: connect again", member);
      Refuse(incoming, *incoming->hello, line, line);
      return;
    }
    case Claims::Outcome::kFree:
      if (!Judge(incoming, claim, MemberStarts::Standing::kSole)) return;
      break;
    case Claims::Outcome::kDoubt:
      if (!Judge(incoming, claim, MemberStarts::Standing::kInDoubt)) return;
      break;
  }
  Take(incoming, std::exchange(incoming->unread, {}));
  // Unless that has closed it.
  if (FindIncoming(connection) != nullptr) StartReading(incoming);
}

bool PeerNetwork::Judge(Incoming* incoming, const consensus::Statement& statement,
                        MemberStarts::Standing standing) {
  const consensus::NodeId member = incoming->hello->from;
  const MemberStarts::Answer answer =
      node_->starts().OnStatement(member, statement, *incoming->visit, standing);
  switch (answer.reception) {
    case MemberStarts::Reception::kAccepted:
      if (!incoming->from) TakeIn(incoming);
      return true;
    case MemberStarts::Reception::kRefused:
      Refuse(incoming, *incoming->hello, answer.reason, answer.reason);
      return false;
    case MemberStarts::Reception::kLost: {
      const bool was_member = incoming->from.has_value();
      Refuse(incoming, *incoming->hello, answer.reason,
             fmt::format("{} {}", kLostWord, answer.reason));
      if (was_member) node_->PeerGone(member);
      DropConvicted(member);
      return false;
    }
    case MemberStarts::Reception::kSelfLost:
      break;
  }
  Drop(incoming);
  return false;
}

void PeerNetwork::TakeIn(Incoming* incoming) {
  const uint64_t id = incoming->hello->from.value();
  // A member that has started anew, or whose old connection is dead without our knowing. What the
  // old one may still deliver must not come behind what the new one has.
  for (Incoming* other : std::vector(incoming_)) {
    if (other != incoming && other->from == id) Drop(other);
  }
  incoming->from = id;
  FollowAddress(id, incoming->hello->address, incoming->address);
  for (const auto& [peer, link] : links_) PassOn(*incoming, *link);
  spdlog::info("node {} has connected from {}", id, incoming->address);
}

void PeerNetwork::DropConvicted(consensus::NodeId member) {
  for (Incoming* incoming : std::vector(incoming_)) {
    if (incoming->from != member.value()) continue;
    Drop(incoming);
    node_->PeerGone(member);
  }
}

void PeerNetwork::Refuse(Incoming* incoming, const consensus::Hello& hello,
                         const std::string& refusal, std::string line) {
  // Who is refused comes again and again.
  if (hello.to != kNobody && last_refusal_ != refusal) {
    spdlog::warn("refusing the peer connection from {}: {}", incoming->address, refusal);
    last_refusal_ = refusal;
  }
  line += '\n';
  const uv_buf_t buffer = uv_buf_init(line.data(), static_cast<unsigned>(line.size()));
  // Best effort: a socket that was just opened takes one line, or its owner does without.
  uv_try_write(reinterpret_cast<uv_stream_t*>(&incoming->tcp), &buffer, 1);
  Drop(incoming);
}

// Members that connect while none of them knows are told apart as soon as one does.
void PeerNetwork::FoundingKnown() {
  for (const auto& [id, link] : links_) link->SayHelloAgain();
  for (Incoming* incoming : std::vector(incoming_)) {
    if (!incoming->hello || !IsAnother(incoming->hello->founding)) continue;
    const std::optional<uint64_t> from = incoming->from;
    Drop(incoming);
    if (from) node_->PeerGone(consensus::NodeId(*from));
  }
}

bool PeerNetwork::IsAnother(consensus::FoundingId founding) const {
  const consensus::FoundingId own = node_->raft().founding();
  return own != consensus::FoundingId() && founding != consensus::FoundingId() && own != founding;
}

// A member that has moved connects to those that it knew. One who was added meanwhile is not among
// them, may lead, and hears from the others where it is.
void PeerNetwork::OnHelloOfAnother(const consensus::Hello& hello) {
  const bool knows_better = std::ranges::any_of(incoming_, [&](const Incoming* incoming) {
    return incoming->from == hello.from.value();  // from itself
  });
  if (knows_better || Refusal(hello)) return;
  const uint64_t id = hello.from.value();
  const auto link = links_.find(id);
  const std::string seen_at = link != links_.end() ? MemberAddress(link->second->peer()) : "";
  const std::optional<Member> member = ParseAddress(id, hello.address, seen_at);
  if (!member) return;
  if (link != links_.end()) {
    link->second->MayAlsoBeAt(*member);
  } else {
    links_.emplace(id, MakeLink(*member));
  }
}

// The other side may be a member of which this node has not heard yet (be it that it has yet to
// learn of any), or one that has moved: it has to be answered where it is (dissertation, 4.1).
void PeerNetwork::FollowAddress(uint64_t id, std::string address, const std::string& seen_at) {
  const bool names_host = !address.starts_with(':');
  const std::optional<Member> member = ParseAddress(id, std::move(address), seen_at);
  const auto link = links_.find(id);
  if (link != links_.end() && (!member || link->second->peer().SameAddress(*member))) {
    link->second->RetryNow();
  } else if (link != links_.end() && !names_host && link->second->peer().SamePorts(*member)) {
    // Where it was seen is a guess: behind a port mapping, the host that this node knows is better.
    link->second->MayAlsoBeAt(*member);
  } else if (member) {
    links_.insert_or_assign(id, MakeLink(*member));
  }
}

std::optional<Member> PeerNetwork::ParseAddress(uint64_t id, std::string address,
                                                const std::string& seen_at) {
  if (address.starts_with(':')) {  // it knows no name for itself
    address.insert(0, seen_at.substr(0, seen_at.rfind(':')));
  }
  Parsed<Member> parsed = ParseMemberAddress(address);
  Member* const member = std::get_if<Member>(&parsed);
  if (!member) return std::nullopt;
  member->id = id;
  return *member;
}

void PeerNetwork::PassOn(const Incoming& member, PeerLink& link) const {
  if (!member.from || *member.from == link.peer().id) return;
  link.PassOn({options_.cluster_id, consensus::NodeId(*member.from),
               consensus::NodeId(link.peer().id), member.hello->address});
}

std::optional<std::string> PeerNetwork::Refusal(const consensus::Hello& hello) const {
  if (hello.cluster_id != options_.cluster_id) {
    return fmt::format("this is node {} of cluster {:016x}, not of {:016x}", options_.node_id,
                       options_.cluster_id, hello.cluster_id);
  }
  if (IsAnother(hello.founding)) {
    return fmt::format(
        "this is node {} of cluster {:016x} as it was founded with the id {:016x}, not of the one "
        "that was founded with {:016x}: one of the two has the data folder of another life of the "
        "cluster",
        options_.node_id, options_.cluster_id, node_->raft().founding().value(),
        hello.founding.value());
  }
  if (hello.to == kNobody) return MemberLine(options_.node_id, options_.process);
  if (hello.to.value() != options_.node_id) {
    return fmt::format("this is node {}, not node {}", options_.node_id, hello.to.value());
  }
  if (hello.from.value() == options_.node_id) {
    return fmt::format("this is node {} itself", options_.node_id);
  }
  if (node_->was_removed(hello.from)) {
    return fmt::format("{} node {} is not in this cluster any more", kRemovedWord,
                       hello.from.value());
  }
  if (!consensus::CanSpeak(hello.abilities, {})) {
    return "this node speaks other versions of the protocol between members";
  }
  if (node_->starts().IsConvicted(hello.from)) {
    return fmt::format("{} {}", kLostWord, node_->starts().ConvictionOf(hello.from));
  }
  return std::nullopt;
}

PeerNetwork::Incoming* PeerNetwork::FindIncoming(uint64_t number) const {
  const auto found = std::ranges::find(incoming_, number, &Incoming::number);
  return found == incoming_.end() ? nullptr : *found;
}

PeerNetwork::Incoming* PeerNetwork::OldestStranger() const {
  const auto found = std::ranges::find_if(
      incoming_, [](const Incoming* incoming) { return !incoming->from.has_value(); });
  return found == incoming_.end() ? nullptr : *found;
}

void PeerNetwork::Drop(Incoming* incoming) {
  std::erase(incoming_, incoming);
  claims_.Withdraw(incoming->number);
  incoming->from.reset();
  uv_close(reinterpret_cast<uv_handle_t*>(&incoming->tcp),
           [](uv_handle_t* handle) { delete static_cast<Incoming*>(handle->data); });
}

// --- What is sent ---

void PeerNetwork::Connect() {
  connecting_ = true;
  for (auto& [id, link] : links_) link->Connect();
}

void PeerNetwork::SetPeers(const std::vector<Member>& peers) {
  std::map<uint64_t, std::unique_ptr<PeerLink>> links;
  for (Member peer : peers) {
    const auto found = links_.find(peer.id);
    const auto told = told_.find(peer.id);
    const bool told_before = told != told_.end() && told->second.SameAddress(peer);
    if (found != links_.end() && (told_before || peer.host.empty())) {
      // What has changed is something else. It may have moved since, and said so itself; or nobody
      // knows its host but from itself.
      const Member& linked = found->second->peer();
      peer.host = linked.host;
      peer.port = linked.port;
      peer.peer_port = linked.peer_port;
    }
    if (found != links_.end() && found->second->peer().SameAddress(peer) &&
        found->second->peer().folder == peer.folder) {
      links.insert(links_.extract(found));
      continue;
    }
    links.emplace(peer.id, MakeLink(peer));
  }
  told_.clear();
  for (const Member& peer : peers) told_.emplace(peer.id, peer);
  // Who is no member any more is to come back and be told so.
  for (Incoming* incoming : std::vector(incoming_)) {
    if (incoming->from && links_.contains(*incoming->from) && !links.contains(*incoming->from)) {
      Drop(incoming);
    }
  }
  links_ = std::move(links);
}

std::unique_ptr<PeerLink> PeerNetwork::MakeLink(const Member& peer) {
  PeerLink::Options options;
  options.cluster_id = options_.cluster_id;
  options.node_id = options_.node_id;
  options.process = options_.process;
  options.founding = [this] { return node_->raft().founding(); };
  options.own_address = options_.own_address;
  options.send_timeout_ms = options_.send_timeout_ms;
  options.refused = [this, id = consensus::NodeId(peer.id)](const std::string& reason) {
    node_->PeerRefused(id, reason);
    if (reason.starts_with(kRemovedWord)) node_->Removed(reason);
    if (const auto folder = FolderIn(reason)) node_->NameFolder(id, *folder);
    if (reason.starts_with(kTwinWord)) node_->AnotherHasItsPlace(id);
    if (const auto loss = LossIn(reason)) node_->starts().ConvictSelf(*loss);
  };
  options.expect = [this, id = consensus::NodeId(peer.id)] { return node_->starts().Expect(id); };
  options.welcomed = [this, id = consensus::NodeId(peer.id)](
                         const consensus::Expectation& expectation,
                         const consensus::Welcome& welcome) {
    std::string reason = node_->starts().OnWelcome(id, expectation, welcome);
    if (node_->starts().IsConvicted(id)) DropConvicted(id);
    return reason;
  };
  auto link = std::make_unique<PeerLink>(loop_, peer, std::move(options));
  if (connecting_) link->Connect();
  return link;
}

void PeerNetwork::Send(consensus::NodeId to, consensus::Message message) {
  const auto link = links_.find(to.value());
  if (link != links_.end()) link->second->Send(message);
}

void PeerNetwork::Probe(const Member& place, int64_t timeout_ms, Probed done) {
  MemberProbe::Options options;
  options.hello.cluster_id = options_.cluster_id;
  options.hello.from = consensus::NodeId(options_.node_id);
  options.hello.address = options_.own_address;
  options.hello.founding = node_->raft().founding();
  options.timeout_ms = static_cast<uint64_t>(timeout_ms);
  probes_.push_back(
      std::make_unique<MemberProbe>(loop_, place, std::move(options), std::move(done)));
  probes_.back()->Start();
}

void PeerNetwork::EndRound() {
  std::erase_if(probes_, [](const auto& probe) { return probe->ended(); });
  if (has_unanswered_ && node_->starts().is_ready()) {
    has_unanswered_ = false;
    for (Incoming* incoming : std::vector(incoming_)) {
      if (incoming->hello && !incoming->visit) AnswerHello(incoming);
    }
  }
  for (auto& [id, link] : links_) {
    if (link->connected()) Introduce(*link);
    link->EndRound();
  }
  claims_.Advance(uv_now(loop_));
  Incoming* const oldest = OldestStranger();
  if (oldest != nullptr && uv_now(loop_) - oldest->accepted_at_ms >= kHandshakeTimeoutMs)
    Drop(oldest);
}

// On a new connection, and again with each start that this node has drawn since.
void PeerNetwork::Introduce(PeerLink& link) {
  MemberStarts& starts = node_->starts();
  const consensus::NodeId id(link.peer().id);
  if (link.said() != starts.current()) {
    const bool is_first = link.said() == consensus::Start();
    const auto statement = starts.MakeStatement(id, link.nonce());
    if (!statement) return;  // it is there after the next write
    link.Say(*statement);
    if (is_first) {
      node_->PeerFound(link.peer(), link.local_host());
      for (const Incoming* incoming : incoming_) PassOn(*incoming, link);
    }
  }
  if (const auto noted = starts.TakeConfirmation(id)) link.Confirm(*noted);
}

void PeerNetwork::CloseAll() {
  StopListening(&servers_);
  for (auto& [id, link] : links_) link->Close();
  while (!incoming_.empty()) Drop(incoming_.back());
  probes_.clear();
}

}  // namespace quorate
