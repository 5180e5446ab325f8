#include "consensus/configuration.h"

#include <algorithm>
#include <cassert>
#include <limits>
#include <utility>

#include "consensus/encoding.h"

namespace quorate::consensus {

namespace {

constexpr uint8_t kFormat = 3;

std::optional<ChangeError> AddressProblem(const std::string& address) {
  if (address.empty() || address.size() > kAddressBytesMax) {
    return ChangeError{ChangeRefusal::kBadAddress, "an address that is empty or too long"};
  }
  return std::nullopt;
}

ConfigurationMember* FindMember(Configuration& configuration, NodeId id) {
  return const_cast<ConfigurationMember*>(FindMember(std::as_const(configuration), id));
}

ChangeError Unknown(NodeId id) {
  return {ChangeRefusal::kUnknownMember, "node " + std::to_string(id.value()) + " is no member"};
}

}  // namespace

// --- As bytes ---

std::string Encode(const Configuration& configuration) {
  assert(IsValid(configuration));
  std::string bytes;
  Put(kFormat, &bytes);
  Put(configuration.next_id.value(), &bytes);
  Put(configuration.feature_level, &bytes);
  Put(static_cast<uint16_t>(configuration.members.size()), &bytes);
  for (const ConfigurationMember& member : configuration.members) {
    Put(member.id.value(), &bytes);
    Put(static_cast<uint8_t>(member.voter), &bytes);
    PutText(member.address, &bytes);
    Put(member.folder, &bytes);
  }
  return bytes;
}

std::optional<Configuration> DecodeConfiguration(std::string_view bytes) {
  Taker taker(bytes);
  if (taker.Take<uint8_t>() != kFormat) {
    return std::nullopt;
  }
  Configuration configuration;
  configuration.next_id = NodeId(taker.Take<uint64_t>());
  configuration.feature_level = taker.Take<uint32_t>();
  const auto count = taker.Take<uint16_t>();
  for (size_t i = 0; i < count && taker.ok(); ++i) {
    ConfigurationMember member;
    member.id = NodeId(taker.Take<uint64_t>());
    member.voter = taker.TakeBool();
    member.address = taker.TakeText();
    member.folder = taker.Take<uint64_t>();
    configuration.members.push_back(std::move(member));
  }
  if (!taker.complete() || !IsValid(configuration)) {
    return std::nullopt;
  }
  return configuration;
}

std::string Encode(const Change& change) {
  std::string bytes;
  Put(static_cast<uint8_t>(change.index()), &bytes);
  if (const auto* add = std::get_if<AddLearner>(&change)) {
    PutText(add->address, &bytes);
  } else if (const auto* remove = std::get_if<RemoveMember>(&change)) {
    Put(remove->id.value(), &bytes);
  } else if (const auto* update = std::get_if<UpdateAddress>(&change)) {
    Put(update->id.value(), &bytes);
    PutText(update->address, &bytes);
  } else {
    const auto& name = std::get<NameFolder>(change);
    Put(name.id.value(), &bytes);
    Put(name.folder, &bytes);
  }
  return bytes;
}

std::optional<Change> DecodeChange(std::string_view bytes) {
  static_assert(std::variant_size_v<Change> == 4, "say here and in Encode how a new change reads");
  Taker taker(bytes);
  Change change;
  switch (taker.Take<uint8_t>()) {
    case 0:
      change = AddLearner{taker.TakeText()};
      break;
    case 1:
      change = RemoveMember{NodeId(taker.Take<uint64_t>())};
      break;
    case 2: {
      NodeId id(taker.Take<uint64_t>());
      change = UpdateAddress{id, taker.TakeText()};
      break;
    }
    case 3: {
      NodeId id(taker.Take<uint64_t>());
      change = NameFolder{id, taker.Take<uint64_t>()};
      break;
    }
    default:
      return std::nullopt;
  }
  return taker.complete() ? std::optional(std::move(change)) : std::nullopt;
}

// --- Questions ---

bool IsValid(const Configuration& configuration) {
  if (configuration.members.size() > kConfigurationMembersMax ||
      configuration.feature_level < kFirstFeatureLevel) {
    return false;
  }
  NodeId last;
  for (const ConfigurationMember& member : configuration.members) {
    if (member.id <= last || member.id >= configuration.next_id ||
        member.address.size() > kAddressBytesMax) {
      return false;
    }
    // One that joins takes the place of the member at its address: of one at most.
    const ConfigurationMember* there = FindAddress(configuration, member.address);
    if (there != nullptr && there != &member) {
      return false;
    }
    last = member.id;
  }
  return true;
}

const ConfigurationMember* FindMember(const Configuration& configuration, NodeId id) {
  for (const ConfigurationMember& member : configuration.members) {
    if (member.id == id) {
      return &member;
    }
  }
  return nullptr;
}

const ConfigurationMember* FindAddress(const Configuration& configuration,
                                       const std::string& address) {
  for (const ConfigurationMember& member : configuration.members) {
    if (member.address == address && !address.empty()) {
      return &member;
    }
  }
  return nullptr;
}

bool WasRemoved(const Configuration& configuration, NodeId id) {
  return id != NodeId() && id < configuration.next_id && FindMember(configuration, id) == nullptr;
}

bool IsVoter(const Configuration& configuration, NodeId id) {
  const ConfigurationMember* member = FindMember(configuration, id);
  return member != nullptr && member->voter;
}

size_t VoterCount(const Configuration& configuration) {
  return static_cast<size_t>(
      std::count_if(configuration.members.begin(), configuration.members.end(),
                    [](const ConfigurationMember& member) { return member.voter; }));
}

size_t VotersApart(const Configuration& one, const Configuration& other) {
  size_t apart = 0;
  for (const auto& [these, those] : {std::pair(&one, &other), std::pair(&other, &one)}) {
    for (const ConfigurationMember& member : these->members) {
      apart += member.voter && !IsVoter(*those, member.id) ? 1 : 0;
    }
  }
  return apart;
}

// --- Changes ---

std::variant<Configuration, ChangeError> Changed(const Configuration& configuration,
                                                 const Change& change) {
  Configuration changed = configuration;
  if (const auto* add = std::get_if<AddLearner>(&change)) {
    if (auto problem = AddressProblem(add->address)) {
      return *std::move(problem);
    }
    std::erase_if(changed.members, [&](const ConfigurationMember& member) {
      return member.address == add->address;
    });
    if (VoterCount(changed) == 0) {
      return ChangeError{ChangeRefusal::kLastVoter, "the last voter cannot be replaced"};
    }
    if (changed.members.size() >= kConfigurationMembersMax) {
      return ChangeError{
          ChangeRefusal::kTooManyMembers,
          "a cluster has at most " + std::to_string(kConfigurationMembersMax) + " members"};
    }
    if (configuration.next_id == NodeId(std::numeric_limits<uint64_t>::max())) {
      return ChangeError{ChangeRefusal::kTooManyMembers, "there is no id left for a new member"};
    }
    changed.members.push_back({configuration.next_id, false, add->address, 0});
    ++changed.next_id;
  } else if (const auto* remove = std::get_if<RemoveMember>(&change)) {
    if (FindMember(configuration, remove->id) == nullptr) {
      return Unknown(remove->id);
    }
    std::erase_if(changed.members,
                  [&](const ConfigurationMember& member) { return member.id == remove->id; });
    if (VoterCount(changed) == 0) {
      return ChangeError{ChangeRefusal::kLastVoter, "the last voter cannot be removed"};
    }
  } else if (const auto* update = std::get_if<UpdateAddress>(&change)) {
    if (FindMember(configuration, update->id) == nullptr) {
      return Unknown(update->id);
    }
    if (auto problem = AddressProblem(update->address)) {
      return *std::move(problem);
    }
    if (const ConfigurationMember* other = FindAddress(configuration, update->address)) {
      return ChangeError{
          ChangeRefusal::kAddressInUse,
          update->address + " is the address of node " + std::to_string(other->id.value())};
    }
    FindMember(changed, update->id)->address = update->address;
  } else {
    const auto& name = std::get<NameFolder>(change);
    ConfigurationMember* member = FindMember(changed, name.id);
    if (member == nullptr) {
      return Unknown(name.id);
    }
    if (member->voter || member->folder != 0) {
      return ChangeError{ChangeRefusal::kFolderIsKnown,
                         "node " + std::to_string(name.id.value()) + " has a folder already"};
    }
    member->folder = name.folder;
  }
  return changed;
}

// --- Those in a log ---

Configurations::Configurations(const Recovered& recovered) {
  assert(recovered.configuration_index <= recovered.last_applied);
  entries_.emplace_back(recovered.configuration_index, recovered.configuration);
  for (const auto& entry : recovered.configurations) {
    assert(entry.first > recovered.last_applied);
    assert(entry.first > entries_.back().first);
    assert(entry.first <= recovered.last_index);
    entries_.push_back(entry);
  }
}

Index Configurations::previous_index() const {
  return entries_.size() > 1 ? entries_[entries_.size() - 2].first : entries_.back().first;
}

bool Configurations::MayVote(NodeId id, Index commit_index) const {
  for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
    if (IsVoter(entry->second, id)) {
      return true;
    }
    if (entry->first <= commit_index) {
      break;
    }
  }
  return false;
}

void Configurations::Append(Index index, Configuration configuration) {
  assert(index > entries_.back().first);
  // Majorities of neighbours have a server in common (dissertation 4.1). A server that joins knows
  // no neighbour of the first one that it hears of. And a survivor that an operator has made the
  // only member of a new cluster has left all others behind at once, by an entry that those who
  // join it later may find in its log.
  assert(current().members.empty() || configuration.members.size() == 1 ||
         VotersApart(current(), configuration) <= 1);
  entries_.emplace_back(index, std::move(configuration));
  ++version_;
}

void Configurations::TruncateFrom(Index index) {
  // In reverse order, so that what is left is what was in force before the first of them.
  while (entries_.back().first >= index && entries_.size() > 1) {
    entries_.pop_back();
    ++version_;
  }
  assert(entries_.back().first < index);
}

void Configurations::Committed(Index commit_index) {
  while (entries_.size() > 1 && entries_[1].first <= commit_index) {
    entries_.pop_front();
  }
}

}  // namespace quorate::consensus
