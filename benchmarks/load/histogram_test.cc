#include "benchmarks/load/histogram.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace quorate::load {
namespace {

TEST(Histogram, PercentilesAreExactToOnePartIn64) {
  Histogram times;
  // Each of 1 to 100,000 microseconds once.
  for (int64_t microseconds = 1; microseconds <= 100'000; ++microseconds) {
    times.Add(microseconds * 1000);
  }
  EXPECT_EQ(times.count(), 100'000U);
  EXPECT_NEAR(times.PercentileMs(0.5), 50, 50.0 / 64);
  EXPECT_NEAR(times.PercentileMs(0.99), 99, 99.0 / 64);
  EXPECT_NEAR(times.PercentileMs(0.999), 99.9, 99.9 / 64);
  EXPECT_NEAR(times.PercentileMs(0.00001), 0.001, 0.001 / 64);
  EXPECT_EQ(times.max_ms(), 100);
}

// The nearest rank: of 1000, the p99.9 is the 999th, and one outlier does not show in it.
TEST(Histogram, TakesTheNearestRank) {
  Histogram times;
  for (int i = 0; i < 999; ++i) times.Add(1'000'000);
  times.Add(500'000'000);
  EXPECT_NEAR(times.PercentileMs(0.999), 1, 1.0 / 64);
  EXPECT_EQ(times.PercentileMs(1), 500);
  times.Add(500'000'000);
  EXPECT_NEAR(times.PercentileMs(0.999), 500, 500.0 / 64);
}

TEST(Histogram, HasNoPercentileOfNothing) {
  EXPECT_EQ(Histogram().PercentileMs(0.5), 0);
  EXPECT_EQ(Histogram().max_ms(), 0);
}

TEST(Histogram, HoldsWhatIsShorterAndLongerThanAnyRequest) {
  Histogram times;
  times.Add(-1);
  times.Add(0);
  times.Add(INT64_MAX);
  EXPECT_EQ(times.count(), 3U);
  EXPECT_EQ(times.PercentileMs(0.5), 0);
  EXPECT_NEAR(times.max_ms(), 9.2e12, 1e11);
}

TEST(Histogram, AddsAnother) {
  Histogram all;
  all.Add(1'000'000);
  Histogram more;
  for (int i = 0; i < 3; ++i) more.Add(2'000'000);
  all.Add(more);
  EXPECT_EQ(all.count(), 4U);
  EXPECT_NEAR(all.PercentileMs(0.25), 1, 1.0 / 64);
  EXPECT_NEAR(all.PercentileMs(0.75), 2, 2.0 / 64);
  more.Clear();
  EXPECT_EQ(more.count(), 0U);
}

}  // namespace
}  // namespace quorate::load
