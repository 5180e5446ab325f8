#include "storage/log/log_sizes.h"

#include <gtest/gtest.h>

#include <deque>
#include <numeric>

#include "tests/storage/support/random.h"

namespace quorate::storage {
namespace {

using consensus::Index;

TEST(LogSizes, TheTailIsWhatFits) {
  LogSizes sizes;
  sizes.Reset(Index(10));
  EXPECT_EQ(sizes.bytes(), 0U);
  EXPECT_EQ(sizes.StartOfTail(0), Index(10));
  for (const size_t bytes : {5, 0, 7, 3}) sizes.Append(bytes);  // entries 11 to 14
  EXPECT_EQ(sizes.bytes(), 15U);
  EXPECT_EQ(sizes.StartOfTail(15), Index(10));
  EXPECT_EQ(sizes.StartOfTail(14), Index(11));
  EXPECT_EQ(sizes.StartOfTail(10), Index(11));
  EXPECT_EQ(sizes.StartOfTail(9), Index(13));
  EXPECT_EQ(sizes.StartOfTail(3), Index(13));
  EXPECT_EQ(sizes.StartOfTail(2), Index(14));
}

TEST(LogSizes, FollowTheLog) {
  const uint64_t seed = TestSeed(5);
  SCOPED_TRACE("QUORATE_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  LogSizes sizes;
  uint64_t base = 0;
  std::deque<size_t> model;
  for (uint64_t step = 0; step < TestRounds(2000); ++step) {
    if (random.OneIn(10)) {
      const uint64_t kept = random.Below(model.size() + 1);
      model.resize(kept);
      sizes.Truncate(Index(base + kept + 1));
    } else if (random.OneIn(10)) {
      const uint64_t trimmed = random.Below(model.size() + 1);
      model.erase(model.begin(), model.begin() + static_cast<ptrdiff_t>(trimmed));
      base += trimmed;
      sizes.Trim(Index(base));
    } else {
      model.push_back(random.Below(4) * 10);
      sizes.Append(model.back());
    }
    ASSERT_EQ(sizes.bytes(), std::accumulate(model.begin(), model.end(), size_t{0}));
    const size_t limit = random.Below(200);
    size_t tail = 0;
    uint64_t first = base + model.size();
    for (; first > base && tail + model[first - base - 1] <= limit; --first) {
      tail += model[first - base - 1];
    }
    ASSERT_EQ(sizes.StartOfTail(limit), Index(first));
  }
}

}  // namespace
}  // namespace quorate::storage
