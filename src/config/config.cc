#include "src/config/config.h"

#include <algorithm>
#include <cassert>

#include "src/base/glob.h"
#include "src/config/config_completion.h"
#include "src/config/config_directives.h"
#include "src/members/member_address.h"

namespace quorate {
namespace {

std::string SetFailed(std::string_view name, std::string_view reason) {
  std::string error = "ERR CONFIG SET failed (possibly related to argument '";
  error.append(name).append("') - ").append(reason);
  return error;
}

}  // namespace

bool BindAddress::is_wildcard() const {
  return host == "*" || host == "::*" || host == "0.0.0.0" || host == "::";
}

std::string BindAddress::numeric_host() const {
  if (host == "*") {
    return "0.0.0.0";
  }
  return host == "::*" ? "::" : host;
}

const Member& Config::self() const {
  const auto found = std::find_if(members.begin(), members.end(),
                                  [this](const Member& member) { return member.id == node_id; });
  assert(found != members.end());
  return *found;
}

uint16_t Config::peer_port() const {
  if (cluster_port != 0) return cluster_port;
  // Alone, the entry has the port that is announced.
  return initial_cluster.empty() ? *DefaultPeerPort(port) : self().peer_port;
}

std::vector<std::pair<std::string, std::string>> ConfigGet(
    const Config& config, std::span<const std::string_view> patterns) {
  std::vector<std::pair<std::string, std::string>> found;
  for (const Directive& directive : Directives()) {
    const auto matches = [&](std::string_view pattern) {
      return GlobMatch(pattern, directive.name, LetterCase::kInsensitive);
    };
    if (std::any_of(patterns.begin(), patterns.end(), matches)) {
      found.emplace_back(directive.name, GetDirective(directive, config));
    }
  }
  return found;
}

std::optional<std::string> ConfigSet(
    Config& config, std::span<const std::pair<std::string_view, std::string_view>> settings) {
  std::vector<const Directive*> directives;
  for (const auto& [name, value] : settings) {
    const Directive* const directive = FindDirective(name);
    if (directive == nullptr) {
      return "ERR Unknown option or number of arguments for CONFIG SET - '" + std::string(name) +
             "'";
    }
    if (!directive->changeable) {
      return SetFailed(name, "can't set immutable config");
    }
    if (std::find(directives.begin(), directives.end(), directive) != directives.end()) {
      return SetFailed(name, "duplicate parameter");
    }
    directives.push_back(directive);
  }
  Config changed = config;
  for (size_t i = 0; i < settings.size(); ++i) {
    const std::string argument(settings[i].second);
    if (const std::optional<std::string> reason =
            SetDirective(*directives[i], std::span(&argument, 1), changed)) {
      return SetFailed(directives[i]->name, *reason);
    }
  }
  // The members stay as they are: a running server may have them from elsewhere than its
  // directives.
  if (const std::optional<Conflict> conflict = FindConflict(changed)) {
    return SetFailed(conflict->directives.front(), conflict->reason);
  }
  config = std::move(changed);
  return std::nullopt;
}

}  // namespace quorate
