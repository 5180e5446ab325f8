#include "src/node/log_clock.h"

#include <algorithm>
#include <vector>

namespace quorate {
namespace {

// The year 9999. Whatever an entry or a member says, microseconds are far from overflowing.
constexpr int64_t kMsMax = 253'402'300'799'999;

int64_t Bounded(int64_t ms) { return std::clamp<int64_t>(ms, 0, kMsMax); }

}  // namespace

LogClock::LogClock(int64_t clock_ms, int64_t boot_us)
    : clock_us_(Bounded(clock_ms) * 1000), begun_us_(boot_us) {}

int64_t LogClock::NowMs(int64_t boot_us) const { return NowUs(boot_us) / 1000; }

int64_t LogClock::NowUs(int64_t boot_us) const {
  const int64_t passed_us = std::max<int64_t>(boot_us - begun_us_, 0);
  // Bounded by the error too: where nobody steers for a while, the clock must not run past its
  // goal.
  const int64_t steered_us = error_us_ >= 0 ? std::min(error_us_, passed_us / kFasterDivisor)
                                            : std::max(error_us_, -(passed_us / kSlowerDivisor));
  return clock_us_ + passed_us + steered_us;
}

void LogClock::SetTo(int64_t clock_us, int64_t boot_us) {
  clock_us_ = clock_us;
  begun_us_ = std::max(begun_us_, boot_us);
  error_us_ = 0;
}

void LogClock::Received(int64_t clock_ms, int64_t boot_us) {
  const int64_t clock_us = Bounded(clock_ms) * 1000;
  if (clock_us > NowUs(boot_us)) SetTo(clock_us, boot_us);
}

void LogClock::Heard(uint64_t member, int64_t wall_ms, int64_t boot_us) {
  walls_[member] = {Bounded(wall_ms), boot_us};
}

std::optional<LogClock::Step> LogClock::Steer(std::span<const uint64_t> voters, int64_t boot_us) {
  // Each time rounds the correction down. Done much more often, there would be none.
  if (clock_us_ != 0 && boot_us - begun_us_ < kSteerIntervalUs) return std::nullopt;
  std::erase_if(walls_,
                [&](const auto& wall) { return boot_us - wall.second.heard_us > kFreshUs; });
  std::vector<int64_t> walls_us;
  for (const uint64_t voter : voters) {
    const auto wall = walls_.find(voter);
    if (wall == walls_.end()) continue;
    walls_us.push_back(wall->second.ms * 1000 + (boot_us - wall->second.heard_us));
  }
  const int64_t now_us = NowUs(boot_us);
  const size_t majority = voters.size() / 2 + 1;
  // A log without any time in it, and so without anything that could expire, begins at the median
  // of what is known.
  const bool is_new = clock_us_ == 0;
  if (is_new && walls_us.empty()) return std::nullopt;
  if (!is_new && walls_us.size() < majority) {
    SetTo(now_us, boot_us);
    return std::nullopt;
  }
  std::ranges::sort(walls_us);
  // Of two in the middle the earlier: to wait costs less than to expire too early.
  const int64_t median_us = walls_us[(walls_us.size() - 1) / 2];
  bool majority_agrees = false;
  for (size_t first = 0; first + majority <= walls_us.size(); ++first) {
    const int64_t apart_us = walls_us[first + majority - 1] - walls_us[first];
    // The median lies between any majority's first and last.
    majority_agrees = majority_agrees || apart_us <= kAgreementMs * 1000;
  }
  const bool is_far_behind = median_us - now_us > kStepMsMin * 1000;
  if (is_new || (is_far_behind && majority_agrees)) {
    SetTo(std::max(median_us, now_us), boot_us);
    if (is_new) return std::nullopt;
    return Step{.from_ms = now_us / 1000, .to_ms = median_us / 1000};
  }
  SetTo(now_us, boot_us);
  error_us_ = median_us - now_us;
  return std::nullopt;
}

}  // namespace quorate
