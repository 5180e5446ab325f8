// A network that a test can cut.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace quorate::redis_tests {

// Linux network namespaces: one for this program and one for each node, all joined by a bridge in
// this program's. Nothing of it is seen outside, and the kernel removes it with the last process in
// it. Nodes are named by their ids, 1 to n. For one thread.
class PrivateNetwork {
 public:
  // Moves this process into a network of its own, so there may be no other threads yet. Needs root,
  // or the right to make user namespaces, and iproute2. Where that is missing: null, the reason in
  // `why_not`, and the process stays where it was.
  static std::unique_ptr<PrivateNetwork> Make(int node_count, std::string* why_not);
  ~PrivateNetwork();
  PrivateNetwork(const PrivateNetwork&) = delete;
  PrivateNetwork& operator=(const PrivateNetwork&) = delete;

  // For Cluster::Options, in the order of the ids. This program reaches each node whatever is cut.
  const std::vector<std::string>& hosts() const { return hosts_; }
  const std::vector<int>& network_namespaces() const { return network_namespaces_; }

  // From now on what one node sends to another arrives if `connected(from, to)`, and otherwise
  // vanishes without a sound, as in a real network. False, and `why_not`, when it could not be
  // done.
  bool SetLinks(const std::function<bool(int from, int to)>& connected, std::string* why_not);

 private:
  PrivateNetwork() = default;

  std::vector<std::string> hosts_;
  std::vector<int> network_namespaces_;
};

}  // namespace quorate::redis_tests
