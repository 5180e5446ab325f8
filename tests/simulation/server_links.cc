// What a server and others say to each other.
#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "tests/simulation/server.h"
#include "tests/simulation/server_process.h"

namespace quorate::simulation {
namespace {

// Of a connection on which nothing comes any more.
constexpr Time kConnectionAgeMax = 2 * kSecond;
constexpr Time kProbeInterval = 200 * kMillisecond;
// A connection is dialled again when it was not answered, or was told nothing, for so long.
constexpr Time kHandshakeAgeMax = 500 * kMillisecond;
// A member that is nobody: whoever is asked for it says who it is.
constexpr consensus::NodeId kNobody{std::numeric_limits<uint64_t>::max()};

}  // namespace

// --- Peers ---

// As PeerNetwork does.
void Server::SetPeers(const std::vector<Member>& peers) {
  const std::vector<Link> before = std::exchange(links_, {});
  for (const Member& peer : peers) {
    Link link = {consensus::NodeId(peer.id), peer.port, peer.port, 0, peer.folder};
    for (const Link& known : before) {
      if (known.id != link.id) continue;
      link.said_at = known.said_at;
      link.connection = known.connection;
      link.dialled_at = known.dialled_at;
      link.expectation = known.expectation;
      link.nonce = known.nonce;
      link.said = known.said;
      // It may have moved since, and said so itself.
      if (known.told_port == link.told_port) {
        link.port = known.port;
        link.other_port = known.other_port;
      }
    }
    links_.push_back(link);
  }
}

Address Server::AddressOf(const Link& link) const {
  return {identity_.cluster_id, id(), link.id, link.folder, port_, link.port, false,
          link.connection};
}

void Server::SendTo(consensus::NodeId to, const consensus::Message& message) {
  for (const Link& link : links_) {
    if (link.id != to) continue;
    if (link.said == consensus::Start()) return;  // there is no connection
    surroundings_.network.Send(place_, PlaceOf(link.port), AddressOf(link), message);
    return;
  }
}

// Connections are opened before there is anything to say. To one of the others, now and then: most
// of them are there already.
void Server::SayHello() {
  if (links_.empty() || surroundings_.settings.membership.interval == 0) return;
  Link& link = links_[random_.Below(links_.size())];
  // As PeerLink does, where it has found nobody.
  if (link.other_port != 0 && !IsConnected(link)) std::swap(link.port, link.other_port);
  Address hello = AddressOf(link);
  hello.connection = 0;
  surroundings_.network.SendHello(place_, PlaceOf(link.port), hello);
  for (const Link& other : links_) {
    if (other.id == link.id || !IsConnected(other)) continue;
    const Address address = {identity_.cluster_id, other.id,  link.id, 0,
                             other.port,           link.port, true};
    surroundings_.network.SendHello(place_, PlaceOf(link.port), address);
  }
}

bool Server::IsConnected(const Link& link) const {
  return link.said_at && surroundings_.events.now() - *link.said_at <= kConnectionAgeMax;
}

// As PeerNetwork::OnHello does.
bool Server::Accepts(const Address& address) {
  Node& node = process_->node;
  if (address.to_port != port_) return false;
  const bool is_ours = address.cluster_id == identity_.cluster_id && address.to == id() &&
                       address.from != id() && !node.was_removed(address.from);
  if (address.passed_on) {
    if (is_ours) FollowAddress(address);
    return false;
  }
  switch (node.OfferMembership(address.cluster_id, address.to, address.folder)) {
    case Node::Offer::kTaken:
      return false;
    case Node::Offer::kOtherFolder:
      surroundings_.network.AnswerEmpty(place_, address, node.empty_folder());
      return false;
    case Node::Offer::kNone:
    case Node::Offer::kNotYet:
      break;
  }
  if (is_ours) FollowAddress(address);
  return is_ours;
}

void Server::FollowAddress(const Address& address) {
  auto link = std::ranges::find(links_, address.from, &Link::id);
  if (link == links_.end()) link = links_.insert(link, {address.from, 0, address.from_port});
  if (!address.passed_on) {
    link->port = address.from_port;
    link->other_port = 0;
    link->said_at = surroundings_.events.now();
  } else if (link->port != address.from_port && !IsConnected(*link)) {
    link->other_port = link->port;
    link->port = address.from_port;
  }
}

void Server::PeerIsEmpty(consensus::NodeId peer, uint64_t folder) {
  Enqueue([this, peer, folder] { process_->node.NameFolder(peer, folder); });
}

void Server::Receive(const Address& address, std::optional<consensus::Message> message) {
  Enqueue([this, address, message = std::move(message)]() mutable {
    if (!Accepts(address) || !message) return;
    const Caller* const caller = FindCaller(address);
    if (caller == nullptr || !caller->is_accepted) {
      // It may have overtaken the Statement.
      const bool is_new =
          caller != nullptr && surroundings_.events.now() - caller->since <= kHandshakeAgeMax;
      if (!is_new) Answer(address, Broken());
      return;
    }
    const consensus::Term term =
        std::visit([](const auto& content) { return content.term; }, *message);
    process_->node.Receive(address.from, *std::move(message));
    if (term != process_->node.raft().current_term()) return;
    for (auto& [member, at] : heard_at_) {
      if (member != address.from) continue;
      at = surroundings_.events.now();
      return;
    }
    heard_at_.emplace_back(address.from, surroundings_.events.now());
  });
}

void Server::PeerGone(consensus::NodeId peer) {
  Enqueue([this, peer] { process_->node.PeerGone(peer); });
}

// --- Connections ---

void Server::DialAll() {
  const Time now = surroundings_.events.now();
  for (Link& link : links_) {
    if (!link.nonce && (!link.dialled_at || now - *link.dialled_at > kHandshakeAgeMax)) Dial(link);
  }
}

void Server::Dial(Link& link) {
  link.connection = random_.Next() | 1;
  link.dialled_at = surroundings_.events.now();
  link.nonce.reset();
  link.said = {};
  link.expectation = process_->node.starts().Expect(link.id);
  surroundings_.network.Pass(place_, PlaceOf(link.port), AddressOf(link), Dialled());
}

// As PeerNetwork does at the end of a round.
void Server::Introduce() {
  MemberStarts& starts = process_->node.starts();
  for (Link& link : links_) {
    if (!link.nonce) continue;
    if (link.said != starts.current()) {
      const auto statement = starts.MakeStatement(link.id, *link.nonce);
      if (!statement) continue;
      link.said = statement->starts.back();
      surroundings_.network.Pass(place_, PlaceOf(link.port), AddressOf(link), *statement);
    }
    if (const auto noted = starts.TakeConfirmation(link.id)) {
      surroundings_.network.Pass(place_, PlaceOf(link.port), AddressOf(link), *noted);
    }
  }
}

void Server::Receive(const Address& address, const Remark& remark) {
  Enqueue([this, address, remark] {
    if (address.to_port != port_ || address.cluster_id != identity_.cluster_id) return;
    MemberStarts& starts = process_->node.starts();
    if (std::holds_alternative<Dialled>(remark)) {
      if (!Accepts(address) || !starts.is_ready()) return;
      if (starts.IsConvicted(address.from)) {
        Answer(address, Refused{starts.ConvictionOf(address.from)});
        return;
      }
      callers_.push_back({address.from, address.connection, surroundings_.events.now(),
                          starts.Receive(address.from)});
      Answer(address, callers_.back().visit.challenge.welcome);
    } else if (address.to != id()) {
      return;
    } else if (const auto* welcome = std::get_if<consensus::Welcome>(&remark)) {
      OnWelcome(address, *welcome);
    } else if (const auto* statement = std::get_if<consensus::Statement>(&remark)) {
      OnStatement(address, *statement);
    } else if (const auto* noted = std::get_if<consensus::StartNoted>(&remark)) {
      const Caller* const caller = FindCaller(address);
      if (caller != nullptr && caller->is_accepted) starts.OnStartNoted(address.from, noted->start);
    } else if (Link* const link = FindConnection(address)) {
      if (const auto* refused = std::get_if<Refused>(&remark)) {
        starts.ConvictSelf(refused->reason);
        link->nonce.reset();
        link->said = {};
      } else {
        Dial(*link);
      }
    }
  });
}

void Server::OnWelcome(const Address& address, const consensus::Welcome& welcome) {
  Link* const link = FindConnection(address);
  if (link == nullptr || link->nonce) return;
  MemberStarts& starts = process_->node.starts();
  if (starts.OnWelcome(link->id, link->expectation, welcome).empty()) link->nonce = welcome.nonce;
  if (starts.IsConvicted(link->id)) Forget(link->id, nullptr);
}

void Server::OnStatement(const Address& address, const consensus::Statement& statement) {
  Caller* const caller = FindCaller(address);
  if (caller == nullptr) {
    Answer(address, Broken());
    return;
  }
  MemberStarts& starts = process_->node.starts();
  const MemberStarts::Answer answer = starts.OnStatement(address.from, statement, caller->visit);
  switch (answer.reception) {
    case MemberStarts::Reception::kAccepted:
      caller->is_accepted = true;
      Forget(address.from, caller);
      break;
    case MemberStarts::Reception::kLost:
      Answer(address, Refused{answer.reason});
      Forget(address.from, nullptr);
      break;
    case MemberStarts::Reception::kRefused:
    case MemberStarts::Reception::kSelfLost:
      std::erase_if(callers_,
                    [&](const Caller& other) { return other.connection == address.connection; });
      Answer(address, Broken());
      break;
  }
}

// Over the same connection.
void Server::Answer(const Address& address, Remark remark) {
  const Address back = {identity_.cluster_id, address.to,        address.from,      0, port_,
                        address.from_port,    address.passed_on, address.connection};
  surroundings_.network.Pass(place_, PlaceOf(address.from_port), back, std::move(remark));
}

Server::Caller* Server::FindCaller(const Address& address) {
  const auto found = std::ranges::find_if(callers_, [&](const Caller& caller) {
    return caller.from == address.from && caller.connection == address.connection;
  });
  return found == callers_.end() ? nullptr : &*found;
}

Server::Link* Server::FindConnection(const Address& address) {
  const auto found = std::ranges::find_if(links_, [&](const Link& link) {
    return link.id == address.from && link.connection == address.connection;
  });
  return found == links_.end() ? nullptr : &*found;
}

// Whoever else has connected as that member.
void Server::Forget(consensus::NodeId member, const Caller* but) {
  const uint64_t kept = but != nullptr ? but->connection : 0;
  std::erase_if(callers_, [&](const Caller& caller) {
    return caller.from == member && caller.connection != kept;
  });
}

// --- Probes ---

struct Server::OpenProbe {
  uint16_t port;
  Time deadline;
  Network::Probed done;
  uint64_t life;
  bool ended = false;
};

void Server::Probe(uint16_t port, int64_t timeout_ms, Network::Probed done) {
  const Time deadline = surroundings_.events.now() + timeout_ms * kMillisecond;
  TryProbe(std::make_shared<OpenProbe>(OpenProbe{port, deadline, std::move(done), life_}));
}

void Server::TryProbe(const std::shared_ptr<OpenProbe>& probe) {
  if (probe->ended || probe->life != life_ || !up()) return;
  if (surroundings_.events.now() >= probe->deadline) {
    EndProbe(probe, {.kind = ProbeAnswer::Kind::kNobody, .text = "nothing was heard"});
    return;
  }
  const Address address = {identity_.cluster_id, id(), kNobody, 0, port_, probe->port};
  surroundings_.network.Probe(
      place_, PlaceOf(probe->port), address,
      [this, probe](const ProbeAnswer& answer) { EndProbe(probe, answer); });
  surroundings_.events.After(kProbeInterval, [this, probe] { TryProbe(probe); });
}

void Server::EndProbe(const std::shared_ptr<OpenProbe>& probe, const ProbeAnswer& answer) {
  if (std::exchange(probe->ended, true)) return;
  Enqueue([this, probe, answer] {
    if (probe->life == life_) probe->done(answer);
  });
}

// As PeerNetwork and MemberProbe do together.
std::optional<ProbeAnswer> Server::AnswerProbe(const Address& address) {
  if (!up() || paused() || address.to_port != port_) return std::nullopt;
  const Node::Offer offer =
      process_->node.OfferMembership(address.cluster_id, address.to, address.folder);
  if (offer == Node::Offer::kNotYet) return std::nullopt;
  if (offer != Node::Offer::kNone) return ProbeAnswer{ProbeAnswer::Kind::kEmpty};
  if (address.cluster_id != identity_.cluster_id) return ProbeAnswer{ProbeAnswer::Kind::kOther};
  return ProbeAnswer{ProbeAnswer::Kind::kMember, id().value()};
}

// --- Clients ---

bool Server::Accept(const std::shared_ptr<Connection>& connection) {
  // A node that is no member serves, too, but nobody has told the clients of it.
  if (!up() || !in_cluster()) return false;
  connection->session =
      process_->sessions.Open("sim:0", "sim:0", surroundings_.events.now() / kMillisecond);
  process_->connections.emplace(connection->session->id, connection);
  return true;
}

void Server::ReceiveFromClient(const std::shared_ptr<Connection>& connection, std::string bytes) {
  if (connection->server_closed) return;
  Enqueue([this, connection, bytes = std::move(bytes)] {
    if (connection->server_closed) return;
    if (connection->paused) {
      connection->unread += bytes;
    } else {
      Feed(*connection, bytes);
    }
  });
}

void Server::Feed(Connection& connection, std::string_view bytes) {
  connection.last_read = surroundings_.events.now();
  process_->dispatcher.Receive(*connection.session, bytes);
  if (process_->dispatcher.MayRead(*connection.session)) return;
  connection.paused = true;
  process_->paused.insert(connection.session->id);
}

void Server::ClientClosed(const std::shared_ptr<Connection>& connection) {
  if (connection->server_closed) return;
  Enqueue([this, connection] {
    if (connection->server_closed) return;
    connection->server_closed = true;
    process_->paused.erase(connection->session->id);
    process_->connections.erase(connection->session->id);
    process_->sessions.Close(*connection->session);
  });
}

// As ClientListener::EndRound. True: requests that had waited were executed.
bool Server::ServeClients() {
  for (const std::shared_ptr<Session>& session : process_->sessions.TakeScheduled()) {
    const auto found = process_->connections.find(session->id);
    if (found != process_->connections.end()) Update(*found->second);
  }
  bool ran = false;
  for (auto it = process_->paused.begin(); it != process_->paused.end();) {
    Connection& connection = *process_->connections.at(*it++);
    Session& session = *connection.session;
    if (!process_->dispatcher.MayRead(session)) continue;
    ran |= !session.input.empty() || !connection.unread.empty();
    if (!session.input.empty()) connection.last_read = surroundings_.events.now();
    process_->dispatcher.Resume(session);
    if (!process_->dispatcher.MayRead(session)) continue;
    connection.paused = false;
    process_->paused.erase(session.id);
    if (!connection.unread.empty()) Feed(connection, std::exchange(connection.unread, {}));
  }
  return ran;
}

void Server::Update(Connection& connection) {
  std::string& output = connection.session->replies.output();
  if (output.empty()) return;
  connection.last_to_client = std::max(
      connection.last_to_client, surroundings_.events.now() + surroundings_.network.Latency());
  surroundings_.events.At(connection.last_to_client,
                          [session = connection.session, bytes = std::exchange(output, {}),
                           shared = process_->connections.at(connection.session->id)] {
                            if (!shared->client_closed) shared->on_bytes(bytes);
                          });
}

}  // namespace quorate::simulation
