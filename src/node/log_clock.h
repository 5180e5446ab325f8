// The log's clock: the time that goes into each log entry, and that decides what has expired.
//
// Every member keeps it. It is at least the time of each entry that the member has received, and
// runs on with the member's boot clock. So when leadership changes, time goes on where it was,
// whatever the new leader's wall clock says. The leader also steers it towards the median of the
// voters' wall clocks: it makes the clock faster by at most 1/1000, or slower by at most 1/16. It
// sets the clock forward only by more than 10 s, and only when a majority of the voters' clocks
// agree within 1 s. So no single wall clock can expire keys too early or stop time.
//
// It never goes back. Holds no clock of its own: a caller passes boot time, in microseconds since
// any fixed point. Wall clocks are in milliseconds since 1970. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>

namespace quorate {

class LogClock {
 public:
  // Says by how much the clock was set forward. For the operator's log.
  struct Step {
    int64_t from_ms = 0;
    int64_t to_ms = 0;
  };

  static constexpr int64_t kStepMsMin = 10'000;
  static constexpr int64_t kAgreementMs = 1'000;
  static constexpr int64_t kFasterDivisor = 1'000;
  static constexpr int64_t kSlowerDivisor = 16;
  // What a voter said longer ago counts no more.
  static constexpr int64_t kFreshUs = 10'000'000;
  static constexpr int64_t kSteerIntervalUs = 10'000;

  // `clock_ms`: of the last applied entry; 0: there is none.
  LogClock(int64_t clock_ms, int64_t boot_us);

  // The time for an entry that is proposed now.
  int64_t NowMs(int64_t boot_us) const;
  // An entry of that time has arrived, from the leader or from the disk.
  void Received(int64_t clock_ms, int64_t boot_us);
  // That member says what its wall clock shows.
  void Heard(uint64_t member, int64_t wall_ms, int64_t boot_us);
  // Leader only; call often. `voters`: their ids, and this member's own if it votes.
  std::optional<Step> Steer(std::span<const uint64_t> voters, int64_t boot_us);

 private:
  struct Wall {
    int64_t ms = 0;
    int64_t heard_us = 0;
  };

  int64_t NowUs(int64_t boot_us) const;
  void SetTo(int64_t clock_us, int64_t boot_us);

  int64_t clock_us_;      // at begun_us_
  int64_t begun_us_;      // in boot time
  int64_t error_us_ = 0;  // what steering has yet to add; negative: to take away
  std::map<uint64_t, Wall> walls_;
};

}  // namespace quorate
