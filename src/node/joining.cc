#include "src/node/joining.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cassert>
#include <initializer_list>
#include <utility>

#include "src/members/member_address.h"

namespace quorate {
namespace {

// How long a node does not ask when another asks it that has to come first: more than that one
// takes to ask again.
constexpr int64_t kGiveWayMs = 500;

// Errors that another moment may bring an end to.
bool IsForTheMoment(std::string_view error) {
  return std::ranges::any_of(
      std::initializer_list<std::string_view>{"TRYAGAIN ", "CLUSTERDOWN ", "UNKNOWN ", "LOADING "},
      [error](std::string_view code) { return error.starts_with(code); });
}

}  // namespace

void Joining::Begin(Meet meet, Member target) {
  assert(!active());
  meet_ = std::move(meet);
  target_ = std::move(target);
  ++number_;
  waits_until_ms_ = 0;
  has_asked_ = false;
  is_final_ = false;
  last_reason_.clear();
}

bool Joining::MayAsk(int64_t now_ms) {
  if (!active() || is_final_ || now_ms < waits_until_ms_) return false;
  has_asked_ = true;
  return true;
}

void Joining::Refused(std::string_view error) {
  has_asked_ = error.starts_with("UNKNOWN ");
  is_final_ = !IsForTheMoment(error);
  last_reason_ = error;
}

void Joining::Lost(std::string_view reason) { last_reason_ = reason; }

bool Joining::MayAdmit(uint64_t other_id, uint64_t own_id, int64_t now_ms) {
  if (!active()) return true;
  if (other_id > own_id) return false;
  // With the answer outstanding, the other cluster may be about to take this node in. When it was
  // refused, as it will be by the very node that asks here, this one waits to be asked again.
  if (has_asked_) waits_until_ms_ = now_ms + kGiveWayMs;
  return !has_asked_;
}

std::optional<std::string> Joining::Failure(int64_t now_ms) const {
  if (!active() || (!is_final_ && now_ms < meet_->deadline_ms)) return std::nullopt;
  if (has_asked_) {
    return fmt::format(
        "UNKNOWN {} was asked to take this node in, and has not done so in time: it may yet do so",
        Address());
  }
  return fmt::format("ERR {} does not take this node in: {}", Address(),
                     last_reason_.empty() ? "another node asks first" : last_reason_);
}

Joining::Meet Joining::End() {
  assert(active());
  return *std::exchange(meet_, std::nullopt);
}

std::string Joining::Address() const {
  const std::string address = MemberAddress(target_);
  return address.substr(0, address.find('@'));
}

}  // namespace quorate
