// The judge must be right before anything is judged by it: histories that are known to be
// linearizable, and ones that are known not to be.
#include "tests/simulation/linearizability.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "tests/simulation/random.h"

namespace quorate::simulation {
namespace {

constexpr uint64_t kSteps = 1'000'000;
constexpr uint64_t kNever = KeyOperation::kNever;

// Each on a connection of its own, unless told otherwise.
class Operations {
 public:
  Operations& Write(uint64_t call, uint64_t ret, ValueId value) {
    return Add({.call = call, .ret = ret, .effect = KeyOperation::Effect::kSet, .value = value});
  }
  Operations& Read(uint64_t call, uint64_t ret, ValueId value) {
    return Add({.call = call, .ret = ret, .seen = KeyOperation::Seen::kValue, .value_seen = value});
  }
  Operations& Delete(uint64_t call, uint64_t ret, KeyOperation::Seen seen) {
    return Add({.call = call, .ret = ret, .seen = seen, .effect = KeyOperation::Effect::kDelete});
  }
  Operations& Add(KeyOperation operation) {
    operation.connection = connection_ != 0 ? connection_ : 1000 + operations_.size();
    operations_.push_back(operation);
    return *this;
  }
  Operations& On(uint64_t connection) {
    connection_ = connection;
    return *this;
  }
  Judgement Judge() const { return CheckKey(operations_, kSteps); }

 private:
  uint64_t connection_ = 0;
  std::vector<KeyOperation> operations_;
};

TEST(Linearizability, AcceptsNothing) { EXPECT_EQ(Operations().Judge(), Judgement::kLinearizable); }

TEST(Linearizability, AcceptsAReadOfTheLastWrite) {
  EXPECT_EQ(Operations().Write(1, 2, 7).Read(3, 4, 7).Judge(), Judgement::kLinearizable);
}

TEST(Linearizability, RefusesAReadOfAnOlderWrite) {
  EXPECT_EQ(Operations().Write(1, 2, 7).Write(3, 4, 8).Read(5, 6, 7).Judge(),
            Judgement::kNotLinearizable);
}

TEST(Linearizability, RefusesAReadOfNothingAfterAWrite) {
  EXPECT_EQ(Operations().Write(1, 2, 7).Read(3, 4, 0).Judge(), Judgement::kNotLinearizable);
}

TEST(Linearizability, RefusesAReadOfWhatNobodyWrote) {
  EXPECT_EQ(Operations().Read(1, 2, 7).Judge(), Judgement::kNotLinearizable);
}

TEST(Linearizability, AcceptsEitherOrderOfConcurrentOperations) {
  EXPECT_EQ(Operations().Write(1, 4, 7).Read(2, 3, 0).Judge(), Judgement::kLinearizable);
  EXPECT_EQ(Operations().Write(1, 4, 7).Read(2, 3, 7).Judge(), Judgement::kLinearizable);
}

// Once one reader has seen the new value, no later one may see the old.
TEST(Linearizability, RefusesReadsThatGoBack) {
  EXPECT_EQ(Operations().Write(1, 10, 7).Read(2, 3, 7).Read(4, 5, 0).Judge(),
            Judgement::kNotLinearizable);
}

TEST(Linearizability, AcceptsThatAnUnknownWriteNeverHappens) {
  EXPECT_EQ(Operations().Write(1, kNever, 7).Read(2, 3, 0).Judge(), Judgement::kLinearizable);
}

TEST(Linearizability, AcceptsThatAnUnknownWriteHappensLate) {
  EXPECT_EQ(Operations().Write(1, kNever, 7).Write(2, 3, 8).Read(4, 5, 8).Read(6, 7, 7).Judge(),
            Judgement::kLinearizable);
}

TEST(Linearizability, RefusesThatAnUnknownWriteHappensTwice) {
  EXPECT_EQ(Operations()
                .Write(1, kNever, 7)
                .Read(2, 3, 7)
                .Write(4, 5, 8)
                .Read(6, 7, 8)
                .Read(8, 9, 7)
                .Judge(),
            Judgement::kNotLinearizable);
}

TEST(Linearizability, UsesSeveralUnknownOnesInARow) {
  // Missing again, and then there: the deletion and the second write must both have happened.
  EXPECT_EQ(Operations()
                .Write(1, 2, 7)
                .Delete(3, kNever, KeyOperation::Seen::kNothing)
                .Add({.call = 4,
                      .ret = kNever,
                      .condition = KeyOperation::Condition::kIfMissing,
                      .effect = KeyOperation::Effect::kSet,
                      .value = 8})
                .Read(5, 6, 8)
                .Judge(),
            Judgement::kLinearizable);
}

TEST(Linearizability, RefusesADeletionThatFoundWhatWasNotThere) {
  EXPECT_EQ(Operations()
                .Write(1, 2, 7)
                .Delete(3, 4, KeyOperation::Seen::kPresent)
                .Delete(5, 6, KeyOperation::Seen::kPresent)
                .Judge(),
            Judgement::kNotLinearizable);
}

TEST(Linearizability, RefusesTwoWinnersOfSetNx) {
  const auto set_nx = [](uint64_t call, uint64_t ret, ValueId value) {
    return KeyOperation{.call = call,
                        .ret = ret,
                        .seen = KeyOperation::Seen::kMissing,
                        .condition = KeyOperation::Condition::kIfMissing,
                        .effect = KeyOperation::Effect::kSet,
                        .value = value};
  };
  EXPECT_EQ(Operations().Add(set_nx(1, 4, 7)).Add(set_nx(2, 3, 8)).Judge(),
            Judgement::kNotLinearizable);
}

// A pipeline: the operations are all under way together, but have an order.
TEST(Linearizability, RefusesAPipelineOutOfOrder) {
  EXPECT_EQ(Operations().On(1).Write(1, 10, 7).Read(2, 11, 0).Judge(), Judgement::kNotLinearizable);
  EXPECT_EQ(Operations().On(1).Read(1, 10, 7).Write(2, 11, 7).Judge(), Judgement::kNotLinearizable);
  EXPECT_EQ(Operations().On(1).Write(1, 10, 7).On(2).Read(2, 11, 0).Judge(),
            Judgement::kLinearizable);
}

// An unknown write of a connection does not happen after what that connection sent later.
TEST(Linearizability, RefusesAnUnknownWriteThatIsOvertaken) {
  EXPECT_EQ(Operations()
                .On(1)
                .Write(1, kNever, 7)
                .Write(2, 3, 8)
                .On(2)
                .Read(4, 5, 8)
                .Read(6, 7, 7)
                .Judge(),
            Judgement::kNotLinearizable);
}

// What looks at a missing key may have to wait for an unknown write of its own connection.
TEST(Linearizability, DoesNotLookTooEarly) {
  EXPECT_EQ(Operations()
                .On(1)
                .Write(1, kNever, 7)
                .Read(2, 10, 0)
                .On(2)
                .Delete(3, 11, KeyOperation::Seen::kPresent)
                .Judge(),
            Judgement::kLinearizable);
}

// Histories made from a real order are accepted; with one value exchanged they hardly ever can be,
// and are refused whenever trying all orders finds none.
class RandomHistory {
 public:
  explicit RandomHistory(uint64_t seed) : random_(seed) {
    const size_t count = 2 + random_.Below(5);
    ValueId state = 0;
    for (size_t i = 0; i < count; ++i) {
      // Happens at the moment 100 (i + 1), called before and answered after.
      const uint64_t moment = 100 * (i + 1);
      KeyOperation operation;
      operation.call = moment - random_.Below(99) * (1 + i / 2) % moment;
      operation.ret = moment + 1 + random_.Below(250);
      operation.connection = i;
      state = Choose(&operation, i + 1, state);
      operations_.push_back(operation);
    }
    MakeMomentsDiffer();
  }

  void Spoil() {
    KeyOperation& operation = operations_[random_.Below(operations_.size())];
    if (operation.ret == kNever) return;  // nobody knows what it saw
    operation.seen = KeyOperation::Seen::kValue;
    operation.value_seen = random_.Below(operations_.size() + 1);
  }

  const std::vector<KeyOperation>& operations() const { return operations_; }

  // By the definition: some order of all known and any of the unknown ones explains everything.
  bool IsLinearizable() const { return Try(std::vector<bool>(operations_.size(), false), 0); }

 private:
  // Makes it something that can happen in that state; gives the state after it.
  ValueId Choose(KeyOperation* operation, ValueId value, ValueId state) {
    using Seen = KeyOperation::Seen;
    operation->effect = static_cast<KeyOperation::Effect>(random_.Below(3));
    operation->condition = static_cast<KeyOperation::Condition>(random_.Below(3));
    operation->value = value;
    if (random_.Chance(600)) {
      operation->seen = state == 0 ? Seen::kMissing : Seen::kPresent;
      if (random_.Chance(500)) operation->seen = Seen::kValue;
      operation->value_seen = state;
    }
    if (operation->effect != KeyOperation::Effect::kNone && random_.Chance(200)) {
      operation->ret = kNever;
      operation->seen = Seen::kNothing;
    }
    return After(*operation, state);
  }

  static ValueId After(const KeyOperation& operation, ValueId state) {
    const bool may = operation.condition == KeyOperation::Condition::kAlways ||
                     (operation.condition == KeyOperation::Condition::kIfMissing) == (state == 0);
    if (!may || operation.effect == KeyOperation::Effect::kNone) return state;
    return operation.effect == KeyOperation::Effect::kSet ? operation.value : 0;
  }

  void MakeMomentsDiffer() {
    std::vector<uint64_t*> moments;
    for (KeyOperation& operation : operations_) {
      moments.push_back(&operation.call);
      if (operation.ret != kNever) moments.push_back(&operation.ret);
    }
    std::stable_sort(moments.begin(), moments.end(),
                     [](const uint64_t* left, const uint64_t* right) { return *left < *right; });
    for (size_t i = 0; i < moments.size(); ++i) *moments[i] = i + 1;
    std::sort(
        operations_.begin(), operations_.end(),
        [](const KeyOperation& left, const KeyOperation& right) { return left.call < right.call; });
  }

  bool Try(const std::vector<bool>& done, ValueId state) const {
    uint64_t first_return = kNever;
    bool all_known_done = true;
    for (size_t i = 0; i < operations_.size(); ++i) {
      if (done[i]) continue;
      first_return = std::min(first_return, operations_[i].ret);
      if (operations_[i].ret != kNever) all_known_done = false;
    }
    if (all_known_done) return true;
    for (size_t i = 0; i < operations_.size(); ++i) {
      const KeyOperation& operation = operations_[i];
      if (done[i] || operation.call > first_return) continue;
      const bool fits =
          operation.seen == KeyOperation::Seen::kNothing ||
          (operation.seen == KeyOperation::Seen::kValue && operation.value_seen == state) ||
          (operation.seen == KeyOperation::Seen::kPresent && state != 0) ||
          (operation.seen == KeyOperation::Seen::kMissing && state == 0);
      if (!fits) continue;
      std::vector<bool> next = done;
      next[i] = true;
      if (Try(next, After(operation, state))) {
        return true;
      }
    }
    return false;
  }

  Random random_;
  std::vector<KeyOperation> operations_;
};

TEST(Linearizability, AgreesWithTryingAllOrders) {
  size_t refused = 0;
  for (uint64_t seed = 1; seed <= 20000; ++seed) {
    RandomHistory history(seed);
    ASSERT_EQ(CheckKey(history.operations(), kSteps), Judgement::kLinearizable) << "seed " << seed;
    history.Spoil();
    const bool expected = history.IsLinearizable();
    ASSERT_EQ(CheckKey(history.operations(), kSteps),
              expected ? Judgement::kLinearizable : Judgement::kNotLinearizable)
        << "seed " << seed << ", spoiled";
    if (!expected) ++refused;
  }
  EXPECT_GT(refused, 3000u);
}

TEST(Linearizability, GivesUpWhenToldTo) {
  Operations operations;
  std::vector<KeyOperation> many;
  for (uint64_t i = 0; i < 40; ++i) {
    many.push_back({.call = i + 1,
                    .ret = 1000 + i,
                    .connection = i,
                    .effect = KeyOperation::Effect::kSet,
                    .value = i + 1});
  }
  many.push_back({.call = 2000,
                  .ret = 2001,
                  .connection = 100,
                  .seen = KeyOperation::Seen::kValue,
                  .value_seen = 99});
  EXPECT_EQ(CheckKey(many, 1000), Judgement::kUndecided);
}

}  // namespace
}  // namespace quorate::simulation
