// What answers at the peer port of an address that somebody wants to add to the cluster.
#pragma once

#include <cstdint>
#include <string>

namespace quorate {

struct ProbeAnswer {
  enum class Kind : uint8_t {
    kNobody,  // nothing that answers
    kEmpty,   // a node without data, which this cluster could take in
    kMember,  // a node of this cluster, present or past, with its data
    kOther,   // something else: a node of another cluster, one with data of its own, no node
  };
  Kind kind = Kind::kNobody;
  uint64_t member_id = 0;  // with kMember
  uint64_t process = 0;    // with kMember: which process of that member it is, see Hello
  std::string text = {};   // with kNobody and kOther: what it said, or why nothing was heard
};

}  // namespace quorate
