#include "src/node/log_clock.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <vector>

namespace quorate {
namespace {

constexpr int64_t kStart = 1'700'000'000'000;
constexpr int64_t kMs = 1'000;  // in microseconds
constexpr int64_t kSecond = 1'000'000;
constexpr std::array<uint64_t, 3> kVoters = {1, 2, 3};

// Three voters' wall clocks and the log's clock of one of them.
struct Scene {
  explicit Scene(int64_t clock_ms) : clock(clock_ms, 0) {}

  // As a leader lives: hears from all and steers, every 10 ms.
  void Run(int64_t for_us) {
    for (const int64_t end = boot_us + for_us; boot_us < end;) {
      boot_us += 10 * kMs;
      for (size_t i = 0; i < kVoters.size(); ++i) {
        if (offset_ms[i]) clock.Heard(kVoters[i], kStart + boot_us / kMs + *offset_ms[i], boot_us);
      }
      if (const auto step = clock.Steer(kVoters, boot_us)) steps.push_back(*step);
    }
  }
  // How far the log's clock is ahead of a wall clock without an offset.
  int64_t Ahead() const { return clock.NowMs(boot_us) - (kStart + boot_us / kMs); }

  LogClock clock;
  int64_t boot_us = 0;
  std::array<std::optional<int64_t>, 3> offset_ms = {0, 0, 0};
  std::vector<LogClock::Step> steps;
};

TEST(LogClock, RunsOnWithBootTimeFromTheNewestEntry) {
  LogClock clock(kStart, 5 * kSecond);
  EXPECT_EQ(clock.NowMs(5 * kSecond), kStart);
  EXPECT_EQ(clock.NowMs(7 * kSecond), kStart + 2000);
  clock.Received(kStart + 10'000, 7 * kSecond);
  EXPECT_EQ(clock.NowMs(8 * kSecond), kStart + 11'000);
  clock.Received(kStart + 10'500, 8 * kSecond);
  EXPECT_EQ(clock.NowMs(8 * kSecond), kStart + 11'000) << "an older one changes nothing";
}

TEST(LogClock, OfAnEmptyLogBeginsAtTheMedian) {
  Scene scene(0);
  scene.offset_ms = {-5000, 100, 900'000};
  scene.Run(10 * kMs);
  EXPECT_EQ(scene.Ahead(), 100);
  EXPECT_TRUE(scene.steps.empty()) << "nothing that an operator has to know";
}

TEST(LogClock, IsMadeFasterByAThousandthAtMost) {
  Scene scene(kStart);
  scene.offset_ms = {5000, 5000, 5000};
  scene.Run(100 * kSecond);
  EXPECT_LE(scene.Ahead(), 100);
  EXPECT_GE(scene.Ahead(), 95);
  scene.Run(6000 * kSecond);
  EXPECT_EQ(scene.Ahead(), 5000) << "and stops there";
}

TEST(LogClock, IsMadeSlowerByASixteenthAtMostAndNeverStepsBack) {
  Scene scene(kStart);
  scene.offset_ms = {-3'600'000, -3'600'000, -3'600'000};
  int64_t last_ms = scene.clock.NowMs(0);
  for (int second = 1; second <= 16; ++second) {
    scene.Run(kSecond);
    EXPECT_GE(scene.clock.NowMs(scene.boot_us), last_ms);
    last_ms = scene.clock.NowMs(scene.boot_us);
  }
  EXPECT_GE(scene.Ahead(), -1000);
  EXPECT_LE(scene.Ahead(), -990);
  EXPECT_TRUE(scene.steps.empty());
}

TEST(LogClock, FollowsTheMedianAndNoSingleClock) {
  for (const int64_t jump_ms : {-86'400'000, 86'400'000}) {
    Scene scene(kStart);
    scene.offset_ms = {jump_ms, 0, 20};
    scene.Run(60 * kSecond);
    EXPECT_GE(scene.Ahead(), -1);
    EXPECT_LE(scene.Ahead(), 20);
    EXPECT_TRUE(scene.steps.empty());
  }
}

// All members were off for an hour: the time that passed is in no log.
TEST(LogClock, StepsForwardWhenAMajorityAgrees) {
  Scene scene(kStart);
  scene.offset_ms = {3'600'000, 3'600'900, 50'000'000};
  scene.Run(10 * kMs);
  EXPECT_EQ(scene.Ahead(), 3'600'900);
  ASSERT_EQ(scene.steps.size(), 1u);
  EXPECT_EQ(scene.steps[0].to_ms - scene.steps[0].from_ms, 3'600'900);
}

TEST(LogClock, DoesNotStepWhereNoMajorityAgreesOrLittleIsMissing) {
  Scene apart(kStart);
  apart.offset_ms = {3'600'000, 3'602'000, 50'000'000};
  apart.Run(kSecond);
  EXPECT_LE(apart.Ahead(), 1);
  EXPECT_TRUE(apart.steps.empty());

  Scene near(kStart);
  near.offset_ms = {9'900, 9'900, 9'900};
  near.Run(kSecond);
  EXPECT_LE(near.Ahead(), 1);
  EXPECT_TRUE(near.steps.empty());
}

TEST(LogClock, IsNotSteeredByAMinorityOrByWhatWasSaidLongAgo) {
  Scene scene(kStart);
  scene.offset_ms = {3'600'000, std::nullopt, std::nullopt};
  scene.Run(kSecond);
  EXPECT_EQ(scene.Ahead(), 0);
  scene.offset_ms[1] = -1'000'000;
  scene.Run(10 * kMs);
  scene.offset_ms[1] = std::nullopt;
  scene.Run(LogClock::kFreshUs + 10 * kMs);
  const int64_t ahead_ms = scene.Ahead();
  EXPECT_LT(ahead_ms, 0) << "as long as it counts";
  scene.Run(5 * kSecond);
  EXPECT_EQ(scene.Ahead(), ahead_ms);
}

TEST(LogClock, OfAClusterOfOneFollowsItsOwnWall) {
  const std::array<uint64_t, 1> alone = {1};
  LogClock clock(kStart, 0);
  clock.Heard(1, kStart + 60'000, 10 * kMs);
  const auto step = clock.Steer(alone, 10 * kMs);
  ASSERT_TRUE(step);
  EXPECT_EQ(clock.NowMs(10 * kMs), kStart + 60'000);
}

// A leader that is not heard of for a while must not run past what it was steered to.
TEST(LogClock, KeepsToItsGoalWhereNobodySteers) {
  Scene scene(kStart);
  scene.offset_ms = {100, 100, 100};
  scene.Run(10 * kMs);
  EXPECT_EQ(scene.clock.NowMs(scene.boot_us + 1'000'000 * kSecond),
            kStart + 100 + (scene.boot_us + 1'000'000 * kSecond) / kMs);
}

TEST(LogClock, IsMonotoneAndDoesNotOverflowWhateverIsSaid) {
  std::mt19937_64 random(1);
  constexpr std::array<int64_t, 6> kSayings = {
      std::numeric_limits<int64_t>::min(), -1, 0, kStart, kStart + 50'000,
      std::numeric_limits<int64_t>::max()};
  for (int run = 0; run < 200; ++run) {
    LogClock clock(run % 2 == 0 ? 0 : kStart, 0);
    int64_t boot_us = 0;
    int64_t last_ms = 0;
    for (int round = 0; round < 200; ++round) {
      boot_us += static_cast<int64_t>(random() % 100'000);
      const int64_t said = kSayings[random() % kSayings.size()];
      switch (random() % 8) {
        case 0:
          clock.Received(run % 4 == 0 ? said : kStart + boot_us / kMs, boot_us);
          break;
        case 1:
        case 2:
          clock.Steer(kVoters, boot_us);
          break;
        default:
          clock.Heard(1 + random() % 3, said, boot_us);
      }
      ASSERT_GE(clock.NowMs(boot_us), last_ms);
      last_ms = clock.NowMs(boot_us);
    }
  }
}

}  // namespace
}  // namespace quorate
