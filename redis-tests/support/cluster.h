// A cluster of real processes.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include "redis-tests/support/child_process.h"
#include "redis-tests/support/temporary_folder.h"

namespace quorate::redis_tests {

// Real quorate-server processes, each with a data folder of its own below a temporary one. Nodes
// are named by their number, 1 to size(), which is also their id unless they were added or lost
// their data. For the thread that made it (see ChildProcess), but host(), port() and ports() for
// all. Its processes end with it.
class Cluster {
 public:
  static constexpr int kNoNode = 0;

  struct Options {
    int size = 3;  // Members that the cluster begins with; 1: without being told.
    std::vector<std::string> flags = {};  // Given to every node.
    std::string server = QUORATE_SERVER;
    // For each node, those that are added included: its address, the network namespace in which it
    // has it (see ChildProcess), and its data folder. Empty: 127.0.0.1, this program's namespace,
    // and a temporary folder for all.
    std::vector<std::string> hosts = {};
    std::vector<int> network_namespaces = {};
    std::vector<std::string> data_folders = {};
    // Given for a node's number: what its command line begins with, such as `env NAME=VALUE`.
    std::function<std::vector<std::string>(int id)> prefix = nullptr;
  };

  Cluster() : Cluster(Options()) {}
  explicit Cluster(Options options);

  // Starts all nodes, creates the cluster, and waits until all of them serve, and name all to
  // clients. False after kDeadlineMs.
  bool Start();
  // Has the nodes that the cluster begins with found it, by way of the first one: as it is needed
  // again when all of them have lost their data. False after kDeadlineMs.
  bool Create();

  int size() const { return static_cast<int>(nodes_.size()); }
  const std::string& host(int id) const { return node(id).host; }
  uint16_t port(int id) const { return node(id).port; }
  std::vector<uint16_t> ports() const;
  pid_t pid(int id) const;
  std::string data_folder(int id) const;
  // One more node, not running yet: empty, alone, told nothing of the cluster. Its number.
  int Add();
  // From the next start on the node is given these flags, too.
  void AddFlags(int id, const std::vector<std::string>& flags);
  // From the next start on it listens on another port.
  void ChangePort(int id);
  // Deletes all that is in its data folder. Precondition: it does not run.
  void LoseData(int id);

  // The command line that starts this node, the program first.
  std::vector<std::string> CommandLine(int id) const;

  // The node that answers a linearizable read, asked of each node that runs until there is one;
  // kNoNode after kDeadlineMs.
  int WaitForLeader();
  // Some node that runs and is not the leader; kNoNode when there is none.
  int WaitForFollower();
  // Whether, within kDeadlineMs, all nodes answer linearizable reads: so each has applied whatever
  // was acknowledged before this call.
  bool WaitUntilAllServe();

  bool running(int id) const { return node(id).process != nullptr; }
  // False when it has ended by itself. Precondition: running.
  bool StillRuns(int id) { return node(id).process->running(); }
  void Kill9(int id);
  void Pause(int id);   // SIGSTOP
  void Resume(int id);  // SIGCONT
  // Waits for a process that ends by itself; how it ended, or an empty optional as with Terminate.
  std::optional<ProcessEnd> WaitForEnd(int id);
  // SIGTERM; how the process ended, or an empty optional when it did not within kDeadlineMs.
  std::optional<ProcessEnd> Terminate(int id);
  void Restart(int id);
  // Restarts what was killed, resumes what was paused; then as WaitUntilAllServe.
  bool Heal();

  // Whether a line that the node has logged contains `text`.
  bool HasLogged(int id, const std::string& text) const;
  // The last lines that each node has logged; and keeps the folder with the whole logs and the
  // data.
  void PrintLogs(std::ostream& out);

 private:
  struct Node {
    std::string host = "127.0.0.1";
    uint16_t port = 0;
    bool initial = true;             // One of those that the cluster begins with.
    std::vector<std::string> flags;  // Its own.
    bool paused = false;
    std::unique_ptr<ChildProcess> process;  // Null while the node does not run.
  };

  Node& node(int id) { return nodes_[static_cast<size_t>(id - 1)]; }
  const Node& node(int id) const { return nodes_[static_cast<size_t>(id - 1)]; }
  // Returns its number.
  int AddNode(uint16_t port);
  std::string LogPath(int id) const;
  void StartProcess(int id);
  bool WaitUntilAllAreOffered();

  const Options options_;
  std::string initial_cluster_;
  TemporaryFolder folder_;
  std::vector<Node> nodes_;
};

}  // namespace quorate::redis_tests
