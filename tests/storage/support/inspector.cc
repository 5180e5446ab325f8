#include "tests/storage/support/inspector.h"

#include <gtest/gtest.h>

#include "tests/storage/log/log_fixture.h"

namespace quorate::storage {

using consensus::Entry;
using consensus::Index;
using consensus::NodeId;
using consensus::Term;

void Inspector::OpenAndInspect(const std::string& path) {
  const Result<OpenedStorage> opened = OpenStorage(path, WorkloadIdentity(), {});
  ASSERT_TRUE(opened.ok()) << opened.error();
  const Status verified = opened.value().state->VerifyRows();
  ASSERT_TRUE(verified.ok()) << verified.error();
  Inspect(opened.value());
}

void Inspector::Inspect(const OpenedStorage& storage) {
  const consensus::Recovered& recovered = storage.recovered;
  const Index committed(acknowledged_.committed);

  EXPECT_GE(recovered.last_index, committed);
  EXPECT_GE(recovered.base_index, Index(acknowledged_.trimmed));
  EXPECT_GE(recovered.last_applied, Index(acknowledged_.checkpoint));
  EXPECT_LE(recovered.last_applied, committed);
  const Term term(acknowledged_.term);
  EXPECT_GE(recovered.hard_state.current_term, term);
  const NodeId vote(acknowledged_.vote);
  if (recovered.hard_state.current_term == term && vote != NodeId()) {
    EXPECT_EQ(recovered.hard_state.voted_for, vote);
  }

  for (const Entry& entry : ReadAll(*storage.log)) {
    ASSERT_EQ(entry, WorkloadEntry(entry.index, entry.term));
    if (entry.index <= committed) {
      ASSERT_EQ(entry.term, Term(acknowledged_.terms[entry.index.value()]));
    }
  }

  while (keys_.last_applied() < recovered.last_applied) {
    const Index next = keys_.last_applied() + 1;
    ApplyWorkloadEntry(keys_, next, Term(acknowledged_.terms[next.value()]));
  }
  const StateMeta& meta = storage.state->meta();
  EXPECT_EQ(meta.digest(), keys_.digest());
  EXPECT_EQ(meta.key_count(), keys_.key_count());
  EXPECT_EQ(meta.revision, keys_.revision());
  EXPECT_EQ(meta.clock_ms, keys_.clock_ms());
}

}  // namespace quorate::storage
