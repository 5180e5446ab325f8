#include "tests/consensus/scenario.h"

#include <algorithm>
#include <cassert>
#include <optional>

#include "tests/consensus/trace.h"

namespace quorate::consensus {

namespace {

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) {
    if (!part.empty()) {
      parts.push_back(part);
    }
  }
  return parts;
}

}  // namespace

std::string Scenario::Run(const std::string& command) {
  trace_.str("");
  Words words = Split(command, ' ');
  std::string verb = words.front();
  words.erase(words.begin());
  if (verb == "cluster") {
    MakeCluster(words);
  } else if (verb == "join") {
    Join(words);
  } else if (verb == "settle") {
    Settle();
  } else if (verb == "deliver") {
    Deliver(words);
  } else if (verb == "drop") {
    Drop(words);
  } else if (verb == "hold") {
    Hold(words);
  } else if (verb == "release") {
    network_.insert(network_.begin(), held_.begin(), held_.end());
    held_.clear();
  } else if (verb == "cut") {
    Cut(words);
  } else if (verb == "mend") {
    cut_.clear();
  } else if (verb == "logs") {
    ShowLogs();
  } else if (verb == "status") {
    ShowStatus();
  } else if (verb == "members") {
    ShowMembers();
  } else if (verb == "tick") {
    Tick(words);
  } else if (words.empty() || !IsServer(words[0])) {
    trace_ << "error: no such command or server: " << command << "\n";
  } else if (Server& server = At(words[0]); verb == "restart") {
    Restart(server);
  } else if (!server.raft) {
    trace_ << "error: " << words[0] << " is down\n";
  } else if (verb == "timeout") {
    TickUntilElection(server);
  } else if (verb == "lead") {
    Lead(server);
  } else if (verb == "crash") {
    Crash(server);
  } else if (verb == "disk") {
    server.slow_disk = words.at(1) == "slow";
    Round(server);
  } else if (verb == "persist") {
    Persist(words);
  } else if (verb == "propose") {
    if (!server.raft->Propose(Payload(words.at(1)))) {
      trace_ << words[0] << " refuses " << words[1] << "\n";
    }
    Round(server);
  } else if (verb == "read") {
    if (!server.raft->RequestRead(ReadToken(std::stoul(words.at(1))))) {
      trace_ << words[0] << " refuses read " << words[1] << "\n";
    }
    Round(server);
  } else if (verb == "change") {
    ProposeChange(server, words);
    Round(server);
  } else if (verb == "transfer") {
    if (!server.raft->TransferLeadership(NodeId(std::stoul(words.at(1))))) {
      trace_ << words[0] << " refuses the transfer\n";
    }
    Round(server);
  } else if (verb == "gone") {
    server.raft->PeerGone(NodeId(std::stoul(words.at(1))));
    Round(server);
  } else {
    trace_ << "error: no such command: " << command << "\n";
  }
  return trace_.str();
}

// cluster servers=3 log1=1,1,2 log=1 term2=4 election_timeout=10 ...
void Scenario::MakeCluster(const Words& words) {
  std::map<std::string, std::string> options;
  for (const std::string& word : words) {
    size_t equals = word.find('=');
    options[word.substr(0, equals)] = word.substr(equals + 1);
  }
  auto number = [&](const std::string& name, uint64_t otherwise) {
    return options.count(name) > 0 ? std::stoul(options[name]) : otherwise;
  };
  Config& config = config_;
  config.election_timeout_ticks = static_cast<uint32_t>(number("election_timeout", 10));
  config.heartbeat_ticks = static_cast<uint32_t>(number("heartbeat", 3));
  config.disk_stall_ticks = static_cast<uint32_t>(number("disk_stall", 20));
  config.append_bytes_max = number("append_bytes_max", config.append_bytes_max);
  config.inflight_messages_max = number("inflight_messages_max", config.inflight_messages_max);
  config.seed = number("seed", 1);
  Configuration configuration;
  const uint64_t servers = number("servers", 3);
  for (uint64_t id = 1; id <= servers; ++id) {
    configuration.members.push_back({NodeId(id), true, "", 0});
  }
  configuration.next_id = NodeId(servers + 1);
  for (uint64_t id = 1; id <= servers; ++id) {
    std::string name = std::to_string(id);
    auto server = std::make_unique<Server>();
    server->config = config;
    server->config.id = NodeId(id);
    server->disk.SetConfiguration(configuration);
    if (number("fresh", 0) == 0) {
      server->disk.SetBegun();
    }
    std::string log = options.count("log" + name) > 0 ? options["log" + name] : options["log"];
    uint64_t index = 0;
    uint64_t term = 0;
    for (const std::string& entry_term : Split(log, ',')) {
      term = std::stoul(entry_term);
      server->disk.Append({Term(term), Index(++index), EntryKind::kBatch,
                           Payload("t" + entry_term + "i" + std::to_string(index))});
    }
    server->disk.SetHardState({Term(number("term" + name, number("term", term))), NodeId()});
    servers_.push_back(std::move(server));
    Restart(*servers_.back());
  }
}

// join 4: a new server, which knows nothing. It is given this id by the one that adds it.
void Scenario::Join(const Words& words) {
  const NodeId id(std::stoul(words.at(0)));
  if (id.value() != servers_.size() + 1) {
    trace_ << "error: the next server is " << servers_.size() + 1 << "\n";
    return;
  }
  auto server = std::make_unique<Server>();
  server->config = config_;
  server->config.id = id;
  server->disk.SetJoined();
  servers_.push_back(std::move(server));
  Restart(*servers_.back());
}

// change 1 add d, change 1 remove 3, change 1 move 3 e; at the end: force
void Scenario::ProposeChange(Server& server, const Words& words) {
  const std::string& what = words.at(1);
  Change change = AddLearner{words.at(2)};
  if (what == "remove") {
    change = RemoveMember{NodeId(std::stoul(words.at(2)))};
  } else if (what == "move") {
    change = UpdateAddress{NodeId(std::stoul(words.at(2))), words.at(3)};
  }
  auto result = server.raft->ProposeChange(change, words.back() == "force");
  if (const auto* error = std::get_if<ChangeError>(&result)) {
    trace_ << words[0] << " refuses to " << Describe(change) << ": " << error->text << "\n";
  }
}

void Scenario::Tick(const Words& words) {
  uint64_t ticks = words.size() > 1 ? std::stoul(words[1]) : 1;
  for (uint64_t i = 0; i < ticks; ++i) {
    for (auto& server : servers_) {
      if (server->raft && (words[0] == "all" || &At(words[0]) == server.get())) {
        server->raft->Tick();
        Round(*server);
      }
    }
  }
}

// The time that this takes is drawn from the seed, so it is not part of the trace.
void Scenario::TickUntilElection(Server& server) {
  votes_asked_ = 0;
  for (uint64_t i = 0; i < 2ULL * server.config.election_timeout_ticks; ++i) {
    server.raft->Tick();
    Round(server);
    if (votes_asked_ > 0) {
      return;
    }
  }
  trace_ << "no election\n";
}

void Scenario::Lead(Server& server) {
  std::string trace = trace_.str();
  TickUntilElection(server);
  Settle();
  for (uint32_t i = 0; i < server.config.heartbeat_ticks; ++i) {
    server.raft->Tick();
    Round(server);
  }
  Settle();
  trace_.str("");
  trace_ << trace;
  TellLeadership(server);
}

bool Scenario::Names(const Words& links, const InFlight& message) {
  if (links.empty()) {
    return true;
  }
  return std::any_of(links.begin(), links.end(), [&](const std::string& link) {
    std::string from = link.substr(0, link.find('>'));
    std::string to = link.substr(link.find('>') + 1);
    return (from == "*" || from == std::to_string(message.from.value())) &&
           (to == "*" || to == std::to_string(message.to.value()));
  });
}

void Scenario::Deliver(const Words& links) {
  std::deque<InFlight> now = std::exchange(network_, {});
  std::vector<InFlight> named;
  for (InFlight& message : now) {
    if (Names(links, message)) {
      named.push_back(std::move(message));
    } else {
      network_.push_back(std::move(message));
    }
  }
  for (InFlight& message : named) {
    DeliverOne(std::move(message));
  }
}

void Scenario::Settle() {
  for (int i = 0; i < 10000 && !network_.empty(); ++i) {
    InFlight message = std::move(network_.front());
    network_.pop_front();
    DeliverOne(std::move(message));
  }
}

void Scenario::DeliverOne(InFlight message) {
  if (message.to.value() > servers_.size()) {
    trace_ << "there is no " << message.to.value() << " for " << message.from.value() << "'s "
           << NameOf(message.message) << "\n";
    return;
  }
  Server& to = At(message.to);
  if (!to.raft) {
    trace_ << message.to.value() << " is down for " << message.from.value() << "'s "
           << NameOf(message.message) << "\n";
    return;
  }
  trace_ << message.to.value() << " <- " << message.from.value() << " " << NameOf(message.message)
         << "\n";
  to.raft->Receive(message.from, std::move(message.message));
  Round(to);
}

void Scenario::Drop(const Words& links) {
  std::deque<InFlight> kept;
  for (InFlight& message : network_) {
    if (Names(links, message)) {
      trace_ << "lost: " << message.from.value() << " -> " << message.to.value() << " "
             << NameOf(message.message) << "\n";
    } else {
      kept.push_back(std::move(message));
    }
  }
  network_ = std::move(kept);
}

void Scenario::Hold(const Words& links) {
  std::deque<InFlight> moving;
  for (InFlight& message : network_) {
    (Names(links, message) ? held_ : moving).push_back(std::move(message));
  }
  network_ = std::move(moving);
}

// cut 1 2 | 3
void Scenario::Cut(const Words& words) {
  auto bar = std::find(words.begin(), words.end(), "|");
  assert(bar != words.end());
  for (auto one = words.begin(); one != bar; ++one) {
    for (auto other = bar + 1; other != words.end(); ++other) {
      NodeId a(std::stoul(*one));
      NodeId b(std::stoul(*other));
      cut_[{a, b}] = cut_[{b, a}] = true;
    }
  }
}

void Scenario::Persist(const Words& words) {
  Server& server = At(words[0]);
  uint64_t count = words.size() > 1 ? std::stoul(words[1]) : server.disk.queued();
  for (uint64_t i = 0; i < count; ++i) {
    if (std::optional<PersistSeq> seq = server.disk.CompleteNext()) {
      trace_ << words[0] << " has #" << seq->value() << " on disk\n";
      server.raft->Persisted(*seq);
    }
  }
  Round(server);
}

void Scenario::Crash(Server& server) {
  for (const consensus::Persist& write : server.disk.queue()) {
    trace_ << server.config.id.value() << " loses " << Describe(write) << "\n";
  }
  server.disk.Crash();
  server.raft.reset();
}

void Scenario::Restart(Server& server) {
  ++server.config.seed;
  server.disk.Crash();
  server.raft = std::make_unique<Raft>(server.config, server.disk.Recover(Index()), server.disk);
  Round(server);
}

void Scenario::Round(Server& server) {
  uint64_t id = server.config.id.value();
  do {
    if (!server.slow_disk && server.disk.queued() > 0) {
      server.raft->Persisted(*server.disk.CompleteAll());
    }
    Effects effects = server.raft->TakeEffects();
    if (effects.leadership_changed) {
      TellLeadership(server);
    }
    for (const ReadState& read : effects.reads) {
      trace_ << id << " proves read " << read.token.value() << " at " << read.index.value() << "\n";
    }
    for (ReadToken token : effects.dropped_reads) {
      trace_ << id << " drops read " << token.value() << "\n";
    }
    if (effects.persist) {
      trace_ << id << " writes " << Describe(*effects.persist) << "\n";
      server.disk.Submit(std::move(*effects.persist));
    }
    for (Envelope& envelope : effects.messages) {
      if (std::holds_alternative<HealthReport>(envelope.message)) {
        continue;  // decides nothing that a scenario tells of
      }
      votes_asked_ += std::holds_alternative<RequestVote>(envelope.message) ? 1 : 0;
      bool is_cut = cut_.count({server.config.id, envelope.to}) > 0;
      trace_ << id << " -> " << envelope.to.value() << " " << Describe(envelope.message)
             << (is_cut ? " (cut)" : "") << "\n";
      if (!is_cut) {
        network_.push_back({server.config.id, envelope.to, std::move(envelope.message)});
      }
    }
    std::vector<Entry> committed;
    do {
      committed = server.raft->NextCommitted(1 << 20);
      if (!committed.empty()) {
        trace_ << id << " applies " << Describe(committed) << "\n";
      }
    } while (!committed.empty());
  } while (!server.slow_disk && server.disk.queued() > 0);
}

void Scenario::TellLeadership(const Server& server) {
  const Raft& raft = *server.raft;
  trace_ << server.config.id.value() << " is " << Describe(raft.role());
  if (raft.role() == Role::kFollower && raft.leader()) {
    trace_ << " of " << raft.leader()->value();
  }
  trace_ << " in term " << raft.current_term().value() << "\n";
}

void Scenario::ShowLogs() {
  for (const auto& server : servers_) {
    trace_ << server->config.id.value() << (server->raft ? "" : " (down)") << ":";
    for (Index index = server->disk.base_index(); index < server->disk.last_index();) {
      ++index;
      trace_ << " " << server->disk.TermAt(index).value();
    }
    if (server->raft) {
      trace_ << "  commit " << server->raft->commit_index().value();
    }
    trace_ << "\n";
  }
}

void Scenario::ShowStatus() {
  for (const auto& server : servers_) {
    if (!server->raft) {
      trace_ << server->config.id.value() << " is down\n";
      continue;
    }
    TellLeadership(*server);
  }
}

void Scenario::ShowMembers() {
  for (const auto& server : servers_) {
    trace_ << server->config.id.value() << ": ";
    if (server->raft) {
      trace_ << Describe(server->raft->configuration()) << " by entry "
             << server->raft->configuration_index().value() << "\n";
    } else {
      trace_ << "down\n";
    }
  }
}

bool Scenario::IsServer(const std::string& word) const {
  return std::any_of(servers_.begin(), servers_.end(), [&](const auto& server) {
    return std::to_string(server->config.id.value()) == word;
  });
}

std::vector<ScenarioBlock> ParseScenario(const std::string& text) {
  std::vector<ScenarioBlock> blocks(1);
  bool in_trace = false;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (line.empty()) {
      if (!blocks.back().lines.empty()) {
        blocks.emplace_back();
      }
      in_trace = false;
    } else if (line == "----") {
      in_trace = true;
    } else if (in_trace) {
      blocks.back().expected += line + "\n";
    } else {
      blocks.back().lines.push_back(line);
    }
  }
  if (blocks.back().lines.empty()) {
    blocks.pop_back();
  }
  return blocks;
}

std::string RunScenario(const std::vector<ScenarioBlock>& blocks) {
  Scenario scenario;
  std::string text;
  for (const ScenarioBlock& block : blocks) {
    std::string trace;
    bool has_command = false;
    for (const std::string& line : block.lines) {
      text += line + "\n";
      if (line[0] != '#') {
        trace += scenario.Run(line);
        has_command = true;
      }
    }
    if (has_command) {
      text += "----\n" + trace;
    }
    text += "\n";
  }
  text.pop_back();
  return text;
}

}  // namespace quorate::consensus
