// quorate_test_cluster: a cluster for the test programs that are not written in C++.
//
// It starts three nodes, waits until they serve, and prints one line of JSON. It then obeys the
// lines that it reads from stdin, and answers each with one line of JSON when it is done:
//
//   (start)       {"nodes":[{"id":1,"port":21001,"pid":4711},...],"leader":1}
//   leader        the same, as it is now, once there is a leader
//   kill-leader   {"killed":1}   with signal 9
//   stop-leader   {"stopped":1}  with SIGTERM, once it has exited with 0
//   restart 1     {"restarted":1}
//   heal          the same as at the start, once all nodes run and serve
//   quit          {"quit":true}  once every node has exited with 0 after SIGTERM
//
// When something does not come about it prints the nodes' logs to stderr and exits with 1. At the
// end of its stdin the nodes are killed, so that they never outlive the test.

#include <cstdlib>
#include <iostream>
#include <string>

#include "redis-tests/support/cluster.h"

namespace quorate::redis_tests {

namespace {

[[noreturn]] void Fail(Cluster* cluster, const std::string& what) {
  std::cerr << "quorate_test_cluster: " << what << '\n';
  cluster->PrintLogs(std::cerr);
  for (int id = 1; id <= cluster->size(); ++id) {
    if (cluster->running(id)) {
      cluster->Kill9(id);
    }
  }
  std::exit(1);
}

void Describe(Cluster* cluster) {
  const int leader = cluster->WaitForLeader();
  if (leader == Cluster::kNoNode) {
    Fail(cluster, "there is no leader");
  }
  std::cout << "{\"nodes\":[";
  for (int id = 1; id <= cluster->size(); ++id) {
    std::cout << (id == 1 ? "" : ",") << "{\"id\":" << id << ",\"port\":" << cluster->port(id)
              << ",\"pid\":" << cluster->pid(id) << "}";
  }
  std::cout << "],\"leader\":" << leader << "}" << std::endl;
}

void KillLeader(Cluster* cluster) {
  const int leader = cluster->WaitForLeader();
  if (leader == Cluster::kNoNode) {
    Fail(cluster, "there is no leader to kill");
  }
  cluster->Kill9(leader);
  std::cout << "{\"killed\":" << leader << "}" << std::endl;
}

void Terminate(Cluster* cluster, int id) {
  if (cluster->Terminate(id) != ProcessEnd{0, 0}) {
    Fail(cluster, "node " + std::to_string(id) + " did not exit with 0 after SIGTERM");
  }
}

void StopLeader(Cluster* cluster) {
  const int leader = cluster->WaitForLeader();
  if (leader == Cluster::kNoNode) {
    Fail(cluster, "there is no leader to stop");
  }
  Terminate(cluster, leader);
  std::cout << "{\"stopped\":" << leader << "}" << std::endl;
}

void Quit(Cluster* cluster) {
  for (int id = 1; id <= cluster->size(); ++id) {
    if (cluster->running(id)) {
      Terminate(cluster, id);
    }
  }
  std::cout << "{\"quit\":true}" << std::endl;
}

int Main() {
  Cluster cluster;
  if (!cluster.Start()) {
    Fail(&cluster, "the cluster did not start");
  }
  Describe(&cluster);
  for (std::string line; std::getline(std::cin, line);) {
    if (line == "leader") {
      Describe(&cluster);
    } else if (line == "kill-leader") {
      KillLeader(&cluster);
    } else if (line == "stop-leader") {
      StopLeader(&cluster);
    } else if (line.starts_with("restart ")) {
      const int id = std::atoi(line.c_str() + 8);
      cluster.Restart(id);
      std::cout << "{\"restarted\":" << id << "}" << std::endl;
    } else if (line == "heal") {
      if (!cluster.Heal()) {
        Fail(&cluster, "the cluster did not heal");
      }
      Describe(&cluster);
    } else if (line == "quit") {
      Quit(&cluster);
      return 0;
    } else {
      Fail(&cluster, "no such command: " + line);
    }
  }
  return 1;
}

}  // namespace

}  // namespace quorate::redis_tests

int main() { return quorate::redis_tests::Main(); }
