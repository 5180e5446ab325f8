#include "redis-tests/faults/private_network.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <thread>

#include "redis-tests/support/child_process.h"
#include "redis-tests/support/eventually.h"

namespace quorate::redis_tests {

namespace {

constexpr int kThisProgramsNamespace = -1;
// No interface has it: the bridge offers such packets to all, and nobody takes them.
constexpr const char* kNobody = "02:00:00:00:ff:ff";

std::string HostOf(int id) { return "10.77.0." + std::to_string(id); }

std::string HardwareAddressOf(int id) { return "02:00:00:00:00:0" + std::to_string(id); }

// Runs commands of ip(8), a line each.
bool RunIp(int network_namespace, const std::string& lines, std::string* why_not) {
  const ProgramResult result =
      RunProgram({"ip", "-batch", "-"}, lines, kDeadlineMs, "", network_namespace);
  if (result.end == ProcessEnd{0, 0}) {
    return true;
  }
  *why_not = "ip: " + result.error;
  return false;
}

// As root in a user namespace of its own, a process may have network namespaces.
bool BecomeRootInUserNamespace() {
  const std::string user = std::to_string(geteuid());
  const std::string group = std::to_string(getegid());
  if (unshare(CLONE_NEWUSER) != 0) {
    return false;
  }
  std::ofstream("/proc/self/setgroups") << "deny";
  std::ofstream("/proc/self/uid_map") << "0 " << user << " 1";
  std::ofstream("/proc/self/gid_map") << "0 " << group << " 1";
  return geteuid() == 0;
}

// A descriptor of a new namespace, which lives as long as anybody holds it; -1 if there is none.
int MakeNamespace() {
  int descriptor = -1;
  std::thread([&] {
    if (unshare(CLONE_NEWNET) == 0) {
      descriptor = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    }
  }).join();
  return descriptor;
}

}  // namespace

std::unique_ptr<PrivateNetwork> PrivateNetwork::Make(int node_count, std::string* why_not) {
  if (RunProgram({"ip", "-V"}, "", kDeadlineMs).end != ProcessEnd{0, 0}) {
    *why_not = "there is no ip (Debian: iproute2)";
    return nullptr;
  }
  if (geteuid() != 0 && !BecomeRootInUserNamespace()) {
    *why_not = "it needs root, or user namespaces";
    return nullptr;
  }
  const int outside = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (unshare(CLONE_NEWNET) != 0) {
    *why_not = std::string("unshare: ") + std::strerror(errno);
    close(outside);
    return nullptr;
  }
  std::unique_ptr<PrivateNetwork> network(new PrivateNetwork());
  bool made = RunIp(kThisProgramsNamespace,
                    "link set lo up\nlink add bridge type bridge\nlink set bridge up\n"
                    "addr add 10.77.0.254/24 dev bridge\n",
                    why_not);
  for (int id = 1; made && id <= node_count; ++id) {
    network->hosts_.push_back(HostOf(id));
    network->network_namespaces_.push_back(MakeNamespace());
    const int inside = network->network_namespaces_.back();
    const std::string cable = "node" + std::to_string(id);
    made =
        RunIp(kThisProgramsNamespace,
              "link add " + cable + " type veth peer name eth0 address " + HardwareAddressOf(id) +
                  " netns /proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(inside) +
                  "\nlink set " + cable + " master bridge up\n",
              why_not) &&
        RunIp(inside, "link set lo up\nlink set eth0 up\naddr add " + HostOf(id) + "/24 dev eth0\n",
              why_not);
  }
  if (made && network->SetLinks([](int, int) { return true; }, why_not)) {
    close(outside);
    return network;
  }
  if (setns(outside, CLONE_NEWNET) != 0) {
    *why_not += "; and setns: " + std::string(std::strerror(errno));
  }
  close(outside);
  return nullptr;
}

PrivateNetwork::~PrivateNetwork() {
  for (const int descriptor : network_namespaces_) {
    close(descriptor);
  }
}

// Who has which hardware address is not asked but written down in each namespace; where a link is
// cut, the address is nobody's.
bool PrivateNetwork::SetLinks(const std::function<bool(int from, int to)>& connected,
                              std::string* why_not) {
  const int count = static_cast<int>(hosts_.size());
  for (int from = 1; from <= count; ++from) {
    std::string lines;
    for (int to = 1; to <= count; ++to) {
      if (from != to) {
        lines += "neigh replace " + HostOf(to) + " dev eth0 nud permanent lladdr " +
                 (connected(from, to) ? HardwareAddressOf(to) : kNobody) + "\n";
      }
    }
    if (!RunIp(network_namespaces_[static_cast<size_t>(from - 1)], lines, why_not)) {
      return false;
    }
  }
  return true;
}

}  // namespace quorate::redis_tests
