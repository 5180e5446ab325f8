#include "storage/checkpoint/state_verifier.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <optional>
#include <string>

#include "storage/folder/data_directory.h"
#include "storage/keyspace/database_view.h"
#include "tests/storage/checkpoint/state_fixture.h"
#include "tests/storage/support/child_process.h"
#include "tests/storage/support/waker.h"

namespace quorate::storage {
namespace {

class StateVerifierTest : public testing::Test {
 protected:
  // A checkpoint that says that it has one more key than it has, as when a damaged page hides one.
  void WriteWrongCheckpoint(LmdbStateStore& state) {
    KeySpace keys(state, {});
    for (int i = 0; i < 1000; ++i) {
      Apply(keys, [&] { WriteView(keys, 0).PutString("key:" + std::to_string(i), "value"); });
    }
    Checkpoint checkpoint = keys.BeginCheckpoint();
    checkpoint.meta.databases[0].digest += 1;
    ASSERT_TRUE(state.Write(checkpoint).ok());
  }

  TemporaryDirectory directory_;
  std::string path_ = directory_ / "state";
};

TEST_F(StateVerifierTest, SaysWhenAllIsIntact) {
  const auto state = MakeState(path_);
  KeySpace keys(*state, {});
  for (int i = 0; i < 1000; ++i) {
    Apply(keys, [&] { WriteView(keys, 0).PutString("key:" + std::to_string(i), "value"); });
  }
  Checkpointed(keys, *state);
  Waker waker;
  std::atomic<uint64_t> verified = 0;
  const StateVerifier verifier(*state, {.verified =
                                            [&](uint64_t count, int64_t) {
                                              verified = count;
                                              waker.Wake();
                                            },
                                        .fatal = nullptr});
  waker.WaitUntil([&] { return verified == 1000; });
}

TEST_F(StateVerifierTest, EndsTheProcessWhenRowsAreMissing) {
  const int status = RunChild([&] {
    const auto state = MakeState(path_);
    WriteWrongCheckpoint(*state);
    const StateVerifier verifier(
        *state, {.verified = [](uint64_t, int64_t) { _exit(8); },
                 .fatal =
                     [](const std::string& text) {
                       _exit(text.find("rows are not those") == std::string::npos ? 9 : 7);
                     }});
    while (true) pause();
    return 0;
  });
  EXPECT_EQ(status, 7);
}

// The end does not wait for all of it, and the pages of the checkpoint are not kept any longer.
TEST_F(StateVerifierTest, CanBeStopped) {
  const auto state = MakeState(path_);
  for (int i = 0; i < 20; ++i) const StateVerifier verifier(*state, {});
  KeySpace keys(*state, {});
  Apply(keys, [&] { WriteView(keys, 0).PutString("key", "value"); });
  Checkpointed(keys, *state);
}

}  // namespace
}  // namespace quorate::storage
