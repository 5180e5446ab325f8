#include "redis-tests/support/cluster.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cassert>
#include <deque>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <utility>

#include "redis-tests/support/client.h"
#include "redis-tests/support/eventually.h"
#include "redis-tests/support/free_ports.h"

namespace quorate::redis_tests {

namespace {

// One question may wait for an election; after this another node, or a new connection, is tried.
constexpr int kProbeTimeoutMs = 5'000;
constexpr size_t kPrintedLinesMax = 60;

bool AnswersReads(const std::string& host, uint16_t port, bool readonly) {
  Client client(host, port, kProbeTimeoutMs);
  if (readonly) {
    client.Command({"READONLY"});
  }
  const Reply reply = client.Command({"GET", "no-such-key"});
  return reply.answered() && !reply.is_error();
}

// How many nodes this one names to clients.
size_t OfferedBy(const std::string& host, uint16_t port) {
  const Reply slots = Client(host, port, kProbeTimeoutMs).Command({"CLUSTER", "SLOTS"});
  constexpr size_t kBounds = 2;  // the first slot and the last, before the nodes
  if (slots.elements.size() != 1 || slots.elements[0].elements.size() < kBounds) return 0;
  return slots.elements[0].elements.size() - kBounds;
}

}  // namespace

Cluster::Cluster(Options options) : options_(std::move(options)) {
  for (uint16_t port : FreePorts(options_.size)) {
    const int id = AddNode(port);
    initial_cluster_ += (id == 1 ? "" : ",") + std::to_string(id) + "=" + host(id) + ":" +
                        std::to_string(port) + "@" + std::to_string(port + kPeerPortOffset);
  }
}

int Cluster::Add() {
  const int id = AddNode(FreePorts(1).front());
  node(id).initial = false;
  return id;
}

void Cluster::AddFlags(int id, const std::vector<std::string>& flags) {
  node(id).flags.insert(node(id).flags.end(), flags.begin(), flags.end());
}

void Cluster::ChangePort(int id) {
  node(id).port = FreePorts(1).front();
  node(id).initial = false;
}

void Cluster::LoseData(int id) {
  assert(!running(id));
  // Not the folder itself: a file system may be mounted there.
  for (const auto& entry : std::filesystem::directory_iterator(data_folder(id))) {
    std::filesystem::remove_all(entry);
  }
}

bool Cluster::Start() {
  for (int id = 1; id <= size(); ++id) {
    StartProcess(id);
  }
  return Create() && WaitUntilAllServe() && WaitUntilAllAreOffered();
}

bool Cluster::Create() {
  if (options_.size == 1) return true;  // It is one already.
  return Eventually(kDeadlineMs, [&] {
    const Reply reply = Client(host(1), port(1)).Command({"CLUSTER", "CREATE"});
    return reply.answered() && !reply.is_error();
  });
}

bool Cluster::WaitUntilAllAreOffered() {
  for (int id = 1; id <= size(); ++id) {
    const auto offers_all = [&] { return OfferedBy(host(id), port(id)) == nodes_.size(); };
    if (!Eventually(kDeadlineMs, offers_all)) return false;
  }
  return true;
}

std::vector<uint16_t> Cluster::ports() const {
  std::vector<uint16_t> ports;
  for (const Node& node : nodes_) {
    ports.push_back(node.port);
  }
  return ports;
}

pid_t Cluster::pid(int id) const { return running(id) ? node(id).process->pid() : -1; }

std::string Cluster::data_folder(int id) const {
  return options_.data_folders.empty() ? folder_.path() + "/node-" + std::to_string(id)
                                       : options_.data_folders.at(static_cast<size_t>(id - 1));
}

std::vector<std::string> Cluster::CommandLine(int id) const {
  std::vector<std::string> line;
  if (options_.prefix) {
    line = options_.prefix(id);
  }
  line.insert(line.end(),
              {options_.server, "--port", std::to_string(port(id)), "--dir", data_folder(id)});
  if (!options_.hosts.empty()) {
    line.insert(line.end(), {"--bind", host(id), "--protected-mode", "no"});
  }
  if (node(id).initial && options_.size > 1) {
    line.insert(line.end(),
                {"--node-id", std::to_string(id), "--initial-cluster", initial_cluster_});
  }
  line.insert(line.end(), options_.flags.begin(), options_.flags.end());
  line.insert(line.end(), node(id).flags.begin(), node(id).flags.end());
  return line;
}

int Cluster::WaitForLeader() {
  int leader = kNoNode;
  Eventually(kDeadlineMs, [&] {
    for (int id = 1; id <= size() && leader == kNoNode; ++id) {
      if (running(id) && !node(id).paused && AnswersReads(host(id), port(id), false)) {
        leader = id;
      }
    }
    return leader != kNoNode;
  });
  return leader;
}

int Cluster::WaitForFollower() {
  const int leader = WaitForLeader();
  for (int id = 1; id <= size(); ++id) {
    if (id != leader && running(id) && !node(id).paused) {
      return leader == kNoNode ? kNoNode : id;
    }
  }
  return kNoNode;
}

bool Cluster::WaitUntilAllServe() {
  for (int id = 1; id <= size(); ++id) {
    if (!Eventually(kDeadlineMs, [&] { return AnswersReads(host(id), port(id), true); })) {
      return false;
    }
  }
  return WaitForLeader() != kNoNode;
}

void Cluster::Kill9(int id) {
  assert(running(id));
  node(id).process.reset();
  node(id).paused = false;
}

void Cluster::Pause(int id) {
  assert(running(id));
  node(id).process->Signal(SIGSTOP);
  node(id).paused = true;
}

void Cluster::Resume(int id) {
  assert(running(id));
  node(id).process->Signal(SIGCONT);
  node(id).paused = false;
}

std::optional<ProcessEnd> Cluster::Terminate(int id) {
  assert(running(id));
  node(id).process->Signal(SIGTERM);
  return WaitForEnd(id);
}

std::optional<ProcessEnd> Cluster::WaitForEnd(int id) {
  assert(running(id));
  const std::optional<ProcessEnd> end = node(id).process->WaitForEnd(kDeadlineMs);
  node(id).process.reset();
  return end;
}

void Cluster::Restart(int id) {
  assert(!running(id));
  StartProcess(id);
}

bool Cluster::Heal() {
  for (int id = 1; id <= size(); ++id) {
    if (running(id) && !node(id).process->running()) {
      return false;  // It ended by itself, which no test asks for.
    }
    if (!running(id)) {
      Restart(id);
    } else if (node(id).paused) {
      Resume(id);
    }
  }
  return WaitUntilAllServe();
}

bool Cluster::HasLogged(int id, const std::string& text) const {
  std::ifstream file(LogPath(id));
  for (std::string line; std::getline(file, line);) {
    if (line.find(text) != std::string::npos) {
      return true;
    }
  }
  return false;
}

void Cluster::PrintLogs(std::ostream& out) {
  folder_.Keep();
  for (int id = 1; id <= size(); ++id) {
    out << "---- node " << id << ", end of " << LogPath(id) << '\n';
    std::ifstream file(LogPath(id));
    std::deque<std::string> lines;
    for (std::string line; std::getline(file, line);) {
      lines.push_back(std::move(line));
      if (lines.size() > kPrintedLinesMax) {
        lines.pop_front();
      }
    }
    for (const std::string& line : lines) {
      out << line << '\n';
    }
  }
  out << std::flush;
}

int Cluster::AddNode(uint16_t port) {
  Node& added = nodes_.emplace_back();
  added.port = port;
  if (!options_.hosts.empty()) {
    added.host = options_.hosts.at(nodes_.size() - 1);
  }
  return size();
}

std::string Cluster::LogPath(int id) const {
  return folder_.path() + "/node-" + std::to_string(id) + ".log";
}

void Cluster::StartProcess(int id) {
  const int log = open(LogPath(id).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  assert(log >= 0);
  const int network_namespace = options_.network_namespaces.empty()
                                    ? -1
                                    : options_.network_namespaces.at(static_cast<size_t>(id - 1));
  node(id).process =
      ChildProcess::Start({CommandLine(id), folder_.path(), -1, log, log, network_namespace});
  close(log);
}

}  // namespace quorate::redis_tests
