// CLUSTER and its subcommands (https://redis.io/docs/latest/commands/?group=cluster). One shard
// owns all slots; the Raft leader is its master, the followers are its replicas.
#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "resp/integer.h"
#include "src/base/ascii.h"
#include "src/commands/families.h"
#include "src/commands/support.h"
#include "src/members/member_address.h"
#include "src/node/change_requests.h"
#include "src/node/instance.h"
#include "src/node/told_host.h"
#include "storage/keyspace/key_slot.h"

namespace quorate {
namespace {

using enum CommandFlag;

constexpr int64_t kLastSlot = storage::kSlotCount - 1;

using consensus::Health;

uint64_t OffsetOf(const Node& node, const Member& member) {
  if (&member == &node.self()) return node.keys().last_applied().value();
  for (const consensus::PeerStatus& peer : node.raft().peers()) {
    if (peer.id.value() == member.id) return peer.match_index.value();
  }
  return 0;
}

// Redis's flags, and whether a link to the member stands. A node does not say of itself that it
// does not hear itself.
std::string FlagsOf(const Node& node, const Member& member, bool* connected) {
  const bool is_self = &member == &node.self();
  *connected = true;
  std::string flags = is_self ? "myself," : "";
  if (is_self && node.raft().has_lost_its_data()) {
    flags += "slave,fail";
  } else if (is_self || &member == node.leader()) {
    // Redis shows an unused node as a master without slots, and redis-cli looks for such nodes.
    const bool is_master = &member == node.leader() || node.waits_for_create();
    flags += is_master ? "master" : "slave";
  } else {
    const Health health = node.health(member);
    *connected = health == Health::kOnline || health == Health::kLoading;
    flags += health == Health::kHandshake ? "handshake" : "slave";
    if (health == Health::kSuspect) flags += ",fail?";
    if (health == Health::kFailed) flags += ",fail";
  }
  return flags;
}

// Nobody replicates at a place that no node has taken yet.
bool IsReplica(const Node& node, const Member& member) {
  return &member != node.leader() && node.health(member) != Health::kHandshake;
}

std::vector<const Member*> Replicas(const Node& node) {
  std::vector<const Member*> replicas;
  for (const Member& member : node.members()) {
    if (IsReplica(node, member)) replicas.push_back(&member);
  }
  return replicas;
}

// A line of CLUSTER NODES.
std::string Describe(const LocalContext& context, const Member& member) {
  const Node& node = context.instance.node;
  const Member* leader = node.leader();
  bool connected = false;
  const std::string flags = FlagsOf(node, member, &connected);
  return fmt::format("{} {}:{}@{} {} {} 0 0 {} {}{}", node.RedisNodeId(member.id),
                     ToldHost(context.session, member), member.port, member.peer_port, flags,
                     leader && IsReplica(node, member) ? node.RedisNodeId(leader->id) : "-",
                     node.raft().current_term().value(), connected ? "connected" : "disconnected",
                     &member == leader ? fmt::format(" 0-{}", kLastSlot) : "");
}

void WriteSlotsNode(const LocalContext& context, const Member& member, resp::ReplyWriter& writer) {
  const Node& node = context.instance.node;
  writer.Array(4);
  writer.BulkString(ToldHost(context.session, member));
  writer.Integer(member.port);
  writer.BulkString(node.RedisNodeId(member.id));
  writer.Map(0);
}

void Slots(LocalContext& context, Arguments, resp::ReplyWriter& writer) {
  const Node& node = context.instance.node;
  const Member* leader = node.leader();
  if (!leader) {
    // A client that is told of no slots forgets the nodes that it knows and cannot come back; on an
    // error it asks another node, or the same one again.
    writer.Error(node.DownError());
    return;
  }
  // Clients read from all that are named here, so each of them must be able to answer.
  std::vector<const Member*> offered = {leader};
  for (const Member& member : node.members()) {
    if (&member != leader && node.health(member) == Health::kOnline) offered.push_back(&member);
  }
  writer.Array(1);
  writer.Array(2 + offered.size());
  writer.Integer(0);
  writer.Integer(kLastSlot);
  for (const Member* member : offered) WriteSlotsNode(context, *member, writer);
}

std::string_view HealthWord(Health health) {
  if (health == Health::kOnline) return "online";
  return health == Health::kLoading ? "loading" : "failed";
}

void WriteShardsNode(const LocalContext& context, const Member& member, resp::ReplyWriter& writer) {
  const Node& node = context.instance.node;
  const std::string_view host = ToldHost(context.session, member);
  writer.Map(7);
  writer.BulkString("id");
  writer.BulkString(node.RedisNodeId(member.id));
  writer.BulkString("port");
  writer.Integer(member.port);
  writer.BulkString("ip");
  writer.BulkString(host);
  writer.BulkString("endpoint");
  writer.BulkString(host);
  writer.BulkString("role");
  writer.BulkString(&member == node.leader() ? "master" : "replica");
  writer.BulkString("replication-offset");
  writer.Integer(static_cast<int64_t>(OffsetOf(node, member)));
  writer.BulkString("health");
  writer.BulkString(HealthWord(node.health(member)));
}

void Shards(LocalContext& context, Arguments, resp::ReplyWriter& writer) {
  const Node& node = context.instance.node;
  const Member* leader = node.leader();
  if (!leader) {
    writer.Error(node.DownError());
    return;
  }
  const std::vector<const Member*> replicas = Replicas(node);
  writer.Array(1);
  writer.Map(2);
  writer.BulkString("slots");
  writer.Array(2);
  writer.Integer(0);
  writer.Integer(kLastSlot);
  writer.BulkString("nodes");
  writer.Array(1 + replicas.size());
  WriteShardsNode(context, *leader, writer);
  for (const Member* replica : replicas) WriteShardsNode(context, *replica, writer);
}

void Nodes(LocalContext& context, Arguments, resp::ReplyWriter& writer) {
  const Node& node = context.instance.node;
  std::string lines;
  for (const Member& member : node.members()) lines += Describe(context, member) + '\n';
  writer.VerbatimString("txt", lines);
}

// Also as SLAVES.
void ShowReplicas(LocalContext& context, Arguments arguments, resp::ReplyWriter& writer) {
  const Node& node = context.instance.node;
  const Member* leader = node.leader();
  const Member* asked = nullptr;
  for (const Member& member : node.members()) {
    if (EqualsIgnoringCase(node.RedisNodeId(member.id), arguments[2])) asked = &member;
  }
  if (!asked) {
    writer.Error(fmt::format("ERR Unknown node {}", arguments[2]));
  } else if (asked != leader) {
    writer.Error("ERR The specified node is not a master");
  } else {
    const std::vector<const Member*> replicas = Replicas(node);
    writer.Array(replicas.size());
    for (const Member* replica : replicas) writer.BulkString(Describe(context, *replica));
  }
}

void Info(LocalContext& context, Arguments, resp::ReplyWriter& writer) {
  const Node& node = context.instance.node;
  const bool serves = node.leader() != nullptr;
  const uint64_t term = node.raft().current_term().value();
  // The first members of a cluster that is yet to be created are no members of anything.
  const size_t known_nodes = node.waits_for_create() ? 1 : node.members().size();
  writer.VerbatimString(
      "txt",
      fmt::format("cluster_state:{}\r\ncluster_slots_assigned:{}\r\ncluster_slots_ok:{}\r\n"
                  "cluster_slots_pfail:0\r\ncluster_slots_fail:{}\r\n"
                  "cluster_known_nodes:{}\r\ncluster_size:1\r\n"
                  "cluster_current_epoch:{}\r\ncluster_my_epoch:{}\r\n",
                  serves ? "ok" : "fail", storage::kSlotCount, serves ? storage::kSlotCount : 0,
                  serves ? 0 : storage::kSlotCount, known_nodes, term, term));
}

void MyId(LocalContext& context, Arguments, resp::ReplyWriter& writer) {
  const Node& node = context.instance.node;
  writer.BulkString(node.RedisNodeId(node.self().id));
}

void KeySlot(LocalContext&, Arguments arguments, resp::ReplyWriter& writer) {
  writer.Integer(storage::KeySlot(arguments[2]));
}

std::optional<std::string> CheckSlot(Arguments arguments) {
  const auto slot = resp::ParseInteger(arguments[2]);
  if (!slot) return std::string(kNotAnInteger);
  if (*slot < 0 || *slot > kLastSlot) return "ERR Invalid slot";
  return std::nullopt;
}

void CountKeysInSlot(const ReadContext& context, Arguments arguments, resp::ReplyWriter& writer) {
  const auto slot = static_cast<uint16_t>(*resp::ParseInteger(arguments[2]));
  writer.Integer(static_cast<int64_t>(context.keys.key_space().CountKeysInSlot(slot)));
}

std::optional<std::string> Create(LocalContext& context, const Command& command) {
  context.instance.node.SubmitCreate(context.session, command);
  return std::nullopt;
}

void Failover(LocalContext& context, Arguments arguments, resp::ReplyWriter& writer) {
  Node& node = context.instance.node;
  if (arguments.size() > 2) {
    const bool known =
        EqualsIgnoringCase(arguments[2], "force") || EqualsIgnoringCase(arguments[2], "takeover");
    writer.Error(arguments.size() == 3 && known
                     ? "ERR CLUSTER FAILOVER without the leader's consent is not supported: it "
                       "could lose acknowledged writes. A majority elects a leader by itself"
                     : kSyntaxError);
  } else if (node.raft().is_leader()) {
    writer.Error("ERR You should send CLUSTER FAILOVER to a replica");
  } else if (node.TransferLeadership(std::nullopt)) {
    writer.Raw(resp::kReplyOk);
  } else {
    writer.Error("ERR No leader is known that could hand over. A majority elects one by itself");
  }
}

// The port in arguments[position], or nothing.
std::optional<uint16_t> ParsePort(Arguments arguments, size_t position) {
  const auto port = resp::ParseInteger(arguments[position]);
  if (!port || *port < 1 || *port > std::numeric_limits<uint16_t>::max()) return std::nullopt;
  return static_cast<uint16_t>(*port);
}

// The member at host, port and bus port, as they stand in arguments[2] and behind it; or the error.
std::variant<Member, std::string> ParseMember(Arguments arguments) {
  Member member;
  member.host = arguments[2];
  const auto port = ParsePort(arguments, 3);
  if (!port) return fmt::format("ERR Invalid TCP base port specified: {}", arguments[3]);
  const auto peer_port = arguments.size() > 4 ? ParsePort(arguments, 4) : DefaultPeerPort(*port);
  if (!peer_port) {
    return fmt::format("ERR Invalid bus port specified: {}",
                       arguments.size() > 4 ? arguments[4] : arguments[3]);
  }
  member.port = *port;
  member.peer_port = *peer_port;
  if (!IsReachableHost(member.host)) {
    return fmt::format("ERR Invalid node address specified: {}:{}", arguments[2], arguments[3]);
  }
  return member;
}

// An empty node becomes a learner, and a voter once it has caught up.
std::variant<MembershipChange, std::string> Add(const Node& node, const Member& member) {
  const bool to_this_machine = IsLoopbackHost(member.host);
  if (!to_this_machine && IsLoopbackHost(node.self().host)) {
    return fmt::format(
        "ERR this node is announced as {}, where {} cannot reach it: set cluster-announce-ip",
        node.self().host, member.host);
  }
  // Where a member has that address, the leader finds out whether it is still there.
  return MembershipChange{consensus::AddLearner{MemberAddress(member)}, false, {}};
}

// MEET host port [bus-port]: adds that node; or this one joins that node's cluster, where nobody
// has used this one yet.
std::variant<MembershipChange, std::string> Meet(const Node& node, Arguments arguments) {
  if (arguments.size() > 5) return std::string(kSyntaxError);
  const auto parsed = ParseMember(arguments);
  if (const auto* error = std::get_if<std::string>(&parsed)) return *error;
  const Member& member = std::get<Member>(parsed);
  if (node.untouched()) {
    return MembershipChange{
        consensus::AddLearner{MemberAddress(member)}, false, {}, member, std::nullopt};
  }
  auto change = Add(node, member);
  if (auto* added = std::get_if<MembershipChange>(&change)) added->join = member;
  return change;
}

// ADMIT host port bus-port cluster-id: the node at that address, alone as that cluster, asks to be
// taken in.
std::variant<MembershipChange, std::string> Admit(const Node& node, Arguments arguments) {
  const auto parsed = ParseMember(arguments);
  if (const auto* error = std::get_if<std::string>(&parsed)) return *error;
  const std::string_view digits = arguments[5];
  uint64_t asker = 0;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), asker, 16);
  if (code != std::errc() || end != digits.data() + digits.size()) {
    return fmt::format("ERR Invalid cluster id specified: {}", digits);
  }
  auto change = Add(node, std::get<Member>(parsed));
  if (auto* added = std::get_if<MembershipChange>(&change)) added->asker = asker;
  return change;
}

// The member that RedisNodeId would give that name; whether there is one, the leader knows.
std::optional<consensus::NodeId> ParseNodeId(const Node& node, std::string_view name) {
  constexpr size_t kDigitsMax = 16;  // of 64 bits
  const std::string_view digits = name.substr(name.size() - std::min(name.size(), kDigitsMax));
  uint64_t id = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), id, 16);
  if (!EqualsIgnoringCase(node.RedisNodeId(id), name)) return std::nullopt;
  return consensus::NodeId(id);
}

// FORGET node-id [FORCE]
std::variant<MembershipChange, std::string> Forget(const Node& node, Arguments arguments) {
  MembershipChange change;
  if (arguments.size() > 3) {
    if (arguments.size() > 4 || !EqualsIgnoringCase(arguments[3], "force")) {
      return std::string(kSyntaxError);
    }
    change.force = true;
  }
  change.unknown = fmt::format("ERR Unknown node {}", arguments[2]);
  const std::optional<consensus::NodeId> id = ParseNodeId(node, arguments[2]);
  if (!id) return change.unknown;
  change.change = consensus::RemoveMember{*id};
  return change;
}

void Replicate(LocalContext& context, Arguments arguments, resp::ReplyWriter& writer) {
  const Node& node = context.instance.node;
  const Member* leader = node.leader();
  if (leader && EqualsIgnoringCase(node.RedisNodeId(leader->id), arguments[2])) {
    if (leader->id == node.self().id) {
      writer.Error("ERR Can't replicate myself");
    } else {
      writer.Raw(resp::kReplyOk);  // as every other node does
    }
    return;
  }
  writer.Error(
      "ERR every node replicates the leader, which a majority elects: CLUSTER FAILOVER on a node "
      "makes it the leader, CLUSTER MEET and CLUSTER FORGET change who belongs to the cluster");
}

void Help(LocalContext&, Arguments, resp::ReplyWriter& writer) {
  WriteHelp("CLUSTER",
            {"ADDSLOTS <slot> [<slot> ...]",
             "    Accepted by a node that is alone and empty: the leader serves all slots anyway.",
             "ADDSLOTSRANGE <start-slot> <end-slot> [<start-slot> <end-slot> ...]",
             "    As ADDSLOTS.",
             "ADMIT <ip> <port> <bus-port> <cluster-id>",
             "    Add the empty node that asks for it; nodes send this to each other.",
             "COUNTKEYSINSLOT <slot>",
             "    Give the number of keys in a slot.",
             "CREATE",
             "    Have the first members, as initial-cluster names them, found their cluster.",
             "DELSLOTS <slot> [<slot> ...]",
             "    Refused: one shard holds all slots.",
             "DELSLOTSRANGE <start-slot> <end-slot> [<start-slot> <end-slot> ...]",
             "    Refused: one shard holds all slots.",
             "FAILOVER",
             "    Have the leader hand over to this node.",
             "FLUSHSLOTS",
             "    Refused: one shard holds all slots.",
             "FORGET <node-id> [FORCE]",
             "    Remove a node from the cluster; with FORCE even if no live majority is left.",
             "INFO",
             "    Describe the cluster.",
             "KEYSLOT <key>",
             "    Give the slot of a key.",
             "MEET <ip> <port> [<bus-port>]",
             "    Add an empty node to the cluster; or have this empty node join that one's.",
             "MYID",
             "    Give this node's id.",
             "NODES",
             "    Describe the nodes, one a line.",
             "REPLICAS <node-id>",
             "    Describe the followers of the leader.",
             "REPLICATE <node-id>",
             "    Every node replicates the leader anyway.",
             "RESET [HARD|SOFT]",
             "    Succeeds on a node that belongs to no cluster.",
             "SET-CONFIG-EPOCH <epoch>",
             "    Refused: the epoch is the term of the leader.",
             "SETSLOT <slot> (IMPORTING|MIGRATING|NODE|STABLE) [<node-id>]",
             "    Refused: one shard holds all slots.",
             "SHARDS",
             "    Describe the one shard and its nodes.",
             "SLOTS",
             "    Give the slots with their nodes, the leader first."},
            writer);
}

constexpr std::string_view kTips = "nondeterministic_output";

constexpr Command kSubcommands[] = {
    {.name = "admit",
     .arity = 6,
     .function = ChangeFunction(&Admit),
     .flags = {kAdmin, kStale, kNoAsyncLoading},
     .group = "cluster",
     .since = "7.0.0",
     .summary = "Adds the empty node that asks for it to the cluster.",
     .complexity = "O(N) for N nodes",
     .syntax = "ip port:integer cluster-bus-port:integer cluster-id"},
    {.name = "countkeysinslot",
     .arity = 3,
     .function = ReadFunction(&CountKeysInSlot),
     .check = &CheckSlot,
     .scans = true,
     .flags = {kStale},
     .group = "cluster",
     .since = "3.0.0",
     .summary = "Gives the number of keys in a slot.",
     .complexity = "O(N) for N keys in the slot, and M that changed lately",
     .syntax = "slot:integer"},
    {.name = "create",
     .arity = 2,
     .function = DeferredFunction(&Create),
     .flags = {kAdmin, kStale, kNoScript},
     .group = "cluster",
     .since = "7.0.0",
     .summary = "Has the first members found their cluster.",
     .complexity = "O(N) for N first members"},
    {.name = "failover",
     .arity = -2,
     .function = LocalFunction(&Failover),
     .flags = {kAdmin, kStale, kNoAsyncLoading},
     .group = "cluster",
     .since = "3.0.0",
     .summary = "Has the leader hand over to this node.",
     .complexity = "O(1)"},
    {.name = "forget",
     .arity = -3,
     .function = ChangeFunction(&Forget),
     .flags = {kAdmin, kStale, kNoAsyncLoading},
     .group = "cluster",
     .since = "3.0.0",
     .summary = "Removes a node from the cluster.",
     .complexity = "O(N) for N nodes",
     .syntax = "node-id [force]"},
    {.name = "help",
     .arity = 2,
     .function = LocalFunction(&Help),
     .flags = {kLoading, kStale},
     .group = "cluster",
     .since = "5.0.0",
     .summary = "Explains the subcommands.",
     .complexity = "O(1)"},
    {.name = "info",
     .arity = 2,
     .function = LocalFunction(&Info),
     .flags = {kStale},
     .tips = kTips,
     .group = "cluster",
     .since = "3.0.0",
     .summary = "Describes the cluster.",
     .complexity = "O(1)"},
    {.name = "keyslot",
     .arity = 3,
     .function = LocalFunction(&KeySlot),
     .flags = {kStale},
     .group = "cluster",
     .since = "3.0.0",
     .summary = "Gives the slot of a key.",
     .complexity = "O(N) for a key of N bytes",
     .syntax = "key"},
    {.name = "meet",
     .arity = -4,
     .function = ChangeFunction(&Meet),
     .flags = {kAdmin, kStale, kNoAsyncLoading},
     .group = "cluster",
     .since = "3.0.0",
     .summary = "Adds an empty node to the cluster, or has this empty node join another's.",
     .complexity = "O(N) for N nodes",
     .syntax = "ip port:integer [cluster-bus-port:integer]"},
    {.name = "myid",
     .arity = 2,
     .function = LocalFunction(&MyId),
     .flags = {kStale},
     .group = "cluster",
     .since = "3.0.0",
     .summary = "Gives this node's id.",
     .complexity = "O(1)"},
    {.name = "nodes",
     .arity = 2,
     .function = LocalFunction(&Nodes),
     .flags = {kStale},
     .tips = kTips,
     .group = "cluster",
     .since = "3.0.0",
     .summary = "Describes the nodes.",
     .complexity = "O(N) for N nodes"},
    {.name = "replicas",
     .arity = 3,
     .function = LocalFunction(&ShowReplicas),
     .flags = {kAdmin, kStale},
     .tips = kTips,
     .group = "cluster",
     .since = "5.0.0",
     .summary = "Describes the followers of the leader.",
     .complexity = "O(N) for N nodes",
     .syntax = "node-id"},
    {.name = "replicate",
     .arity = 3,
     .function = LocalFunction(&Replicate),
     .flags = {kAdmin, kStale, kNoAsyncLoading},
     .group = "cluster",
     .since = "3.0.0",
     .summary = "Is there for those who expect it: every node replicates the leader.",
     .complexity = "O(1)",
     .syntax = "node-id"},
    {.name = "shards",
     .arity = 2,
     .function = LocalFunction(&Shards),
     .flags = {kStale},
     .tips = kTips,
     .group = "cluster",
     .since = "7.0.0",
     .summary = "Describes the shard and its nodes.",
     .complexity = "O(N) for N nodes"},
    {.name = "slaves",
     .arity = 3,
     .function = LocalFunction(&ShowReplicas),
     .flags = {kAdmin, kStale},
     .tips = kTips,
     .group = "cluster",
     .since = "3.0.0",
     .summary = "Describes the followers of the leader.",
     .complexity = "O(N) for N nodes",
     .syntax = "node-id"},
    {.name = "slots",
     .arity = 2,
     .function = LocalFunction(&Slots),
     .flags = {kStale},
     .tips = kTips,
     .group = "cluster",
     .since = "3.0.0",
     .summary = "Gives the slots with their nodes.",
     .complexity = "O(N) for N nodes"},
};

}  // namespace

const Command kClusterCommand = {.name = "cluster",
                                 .arity = -2,
                                 .function = {},
                                 .group = "cluster",
                                 .since = "3.0.0",
                                 .summary = "Looks at the cluster, and moves its leadership.",
                                 .complexity = "Depends on the subcommand.",
                                 .subcommands = kSubcommands,
                                 .more_subcommands = kClusterManagerSubcommands};

}  // namespace quorate
